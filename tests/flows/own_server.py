"""MLflow's own scoring server of a model, on a port: own_server.py FOLDER PORT."""

import sys

from mlflow.pyfunc import load_model, scoring_server

app = scoring_server.init(load_model(sys.argv[1]))
if hasattr(app, "wsgi_app"):  # Flask
    app.run(host="127.0.0.1", port=int(sys.argv[2]))
else:
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
