"""Webhooks by MLflow's own client: made, listed, changed, tested, deleted."""

import sys

from mlflow.tracking import MlflowClient

url, secret = sys.argv[1:]
client = MlflowClient()
made = client.create_webhook("hook", url, ["registered_model.created"], secret=secret)
assert [each.webhook_id for each in client.list_webhooks()] == [made.webhook_id]
assert client.test_webhook(made.webhook_id).success
changed = client.update_webhook(made.webhook_id, description="d")
assert (changed.description, str(changed.status)) == ("d", "ACTIVE")
client.create_registered_model("m")
assert client.get_webhook(made.webhook_id).url == url
print("done")
