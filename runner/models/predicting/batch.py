"""Predicts for a file or several, chunk by chunk, in the environment of the model.

    python batch.py FD < JSON

Like serving/worker.py, which it uses to load the model: the standard library in the syntax of Python 3.8, with what the
environment has (pandas; pyarrow for Parquet). On standard input is what is asked (`Asked` in predict.py). To FD goes a
line of JSON for each thing that happened: {"ready": {mlflow, python}}, {"rows": of all chunks so far, "part": number},
{"done": rows}, {"failed": text}.

Each chunk is a part, a file of its own that is whole as soon as it has its name; in the end they are joined. So what an
earlier process did is gone on with: `skip` rows are read, and not predicted.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from typing import Any, Dict, Iterator, List, Optional

if sys.path and os.path.abspath(sys.path[0]) == os.path.dirname(os.path.abspath(__file__)):
    del sys.path[0]  # what lies beside this file is no module of the model's

ONE = "prediction"  # column of a prediction that has no name
KINDS = {"double": float, "float": float}


class Failed(Exception):
    """What a user can do something about."""


# ---- reading -------------------------------------------------------------------------------------------------------


def frames(asked: Dict[str, Any], server: Any, schema: Any) -> Iterator[Any]:
    """The rows of all files in their order, as DataFrames of at most `chunk` rows."""
    form, chunk = asked["format"], asked["chunk"]
    for path in asked["paths"]:
        if form == "csv":
            yield from csv(path, chunk, schema)
        elif form == "parquet":
            yield from parquet(path, chunk)
        else:
            yield from json_lines(path, chunk, server, schema)


def csv(path: str, chunk: int, schema: Any) -> Iterator[Any]:
    pandas = importlib.import_module("pandas")
    dtypes = stated(schema)
    if dtypes is None:  # as if it were read as a whole
        dtypes = seen(pandas.read_csv(path, chunksize=chunk), True)
    try:
        yield from pandas.read_csv(path, dtype=dtypes, chunksize=chunk)
    except ValueError as error:
        raise Failed("{}: {}".format(path, error)) from error


def stated(schema: Any) -> Optional[Dict[str, Any]]:
    """As MLflow's server reads CSV: by the types of the signature."""
    try:
        return dict(zip(schema.input_names(), schema.pandas_types()))
    except Exception:  # no signature, or one of tensors
        return None


def seen(chunks: Any, texts: bool) -> Dict[str, Any]:
    """The type of each column that holds all of it. `texts`: what is a number in one chunk is a text in another."""
    numpy = importlib.import_module("numpy")
    found: Dict[str, Any] = {}
    for frame in chunks:
        for name, column in frame.items():
            kind, holes = found.get(name, (None, None))
            if column.isna().all():
                found[name] = kind, column.dtype
            else:
                found[name] = column.dtype if kind is None else wider(numpy, kind, column.dtype, texts), holes
    return {name: whole(numpy, *each) for name, each in found.items()}


def wider(numpy: Any, one: Any, two: Any, texts: bool) -> Any:
    if one == two:
        return one
    if one.kind in "iuf" and two.kind in "iuf":
        return numpy.result_type(one, two)
    named = [each for each in (one, two) if str(each) == "str"]  # the texts of pandas 3
    return named[0] if named and texts else numpy.dtype(object)


def whole(numpy: Any, kind: Any, holes: Any) -> Any:
    """`holes`: the type of a chunk of which all cells are empty; None when there is none."""
    if holes is None or kind is None:
        return kind if holes is None else holes
    return numpy.dtype(float) if kind.kind in "iu" else numpy.dtype(object) if kind.kind == "b" else kind


def json_lines(path: str, chunk: int, server: Any, schema: Any) -> Iterator[Any]:
    if schema is not None:
        for rows in objects(path, chunk):
            yield of_records(rows, server, schema)
        return
    types = seen((of_records(rows, server, None) for rows in objects(path, chunk)), False)
    for rows in objects(path, chunk):
        yield of_records(rows, server, None).reindex(columns=list(types)).astype(types)


def objects(path: str, chunk: int) -> Iterator[List[Any]]:
    rows: List[Any] = []
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise Failed("{}: line {} is no JSON: {}".format(path, number, error)) from None
            if not isinstance(row, dict):
                raise Failed("{}: line {} is no object".format(path, number))
            rows.append(row)
            if len(rows) == chunk:
                yield rows
                rows = []
    if rows:
        yield rows


def of_records(rows: List[Any], server: Any, schema: Any) -> Any:
    """As MLflow's server reads `dataframe_records`."""
    parse = getattr(server, "infer_and_parse_data", None)
    if parse is not None:
        return parse({"dataframe_records": rows}, schema)
    return importlib.import_module("pandas").DataFrame.from_records(rows)


def parquet(path: str, chunk: int) -> Iterator[Any]:
    try:
        arrow = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise Failed("the environment of the model has no pyarrow, which reads Parquet") from None
    with open(path, "rb") as opened:
        file = arrow.ParquetFile(opened)
        casts = nullable(file)
        for batch in file.iter_batches(batch_size=chunk):
            frame = batch.to_pandas()
            plain_ones = {
                name: kind for name, kind in casts.items() if not hasattr(frame[name].array, "_mask")
            }
            yield frame.astype(plain_ones) if plain_ones else frame


def nullable(file: Any) -> Dict[str, str]:
    """Types of columns that have nulls somewhere: for pandas these are others than where there are none."""
    found = {}
    for field in file.schema_arrow:
        kind = str(field.type)
        wanted = "float64" if kind.startswith(("int", "uint")) else "object" if kind == "bool" else ""
        if wanted and any(each.column(0).null_count for each in file.iter_batches(columns=[field.name])):
            found[field.name] = wanted
    return found


# ---- predicting ----------------------------------------------------------------------------------------------------


class Predictor:
    def __init__(self, model: Any, asked: Dict[str, Any]) -> None:
        self._model = model
        self._keep = asked["keep"]
        self._params = params(model, asked["params"])
        try:
            outputs = model.metadata.get_output_schema()
            self._names = list(outputs.input_names()) if outputs.has_input_names() else []
        except Exception:
            self._names = []

    def __call__(self, frame: Any) -> Any:
        """A DataFrame with the predictions of each row."""
        more = {"params": self._params} if self._params else {}
        found = self._table(self._model.predict(frame, **more), len(frame))
        if missing := [name for name in self._keep if name not in frame.columns]:
            raise Failed("the input has no column {!r}".format(missing[0]))
        for place, name in enumerate(self._keep):
            if name in found.columns:
                raise Failed("the predictions have a column {!r} themselves".format(name))
            found.insert(place, name, frame[name].to_numpy())
        return found

    def _table(self, found: Any, rows: int) -> Any:
        numpy, pandas = importlib.import_module("numpy"), importlib.import_module("pandas")
        if hasattr(found, "toarray"):  # sparse
            found = found.toarray()
        if isinstance(found, pandas.DataFrame):
            table = found.reset_index(drop=True)
            table.columns = [str(name) for name in table.columns]
        elif isinstance(found, pandas.Series):
            table = pandas.DataFrame({self._name(1)[0]: found.to_numpy()})
        elif isinstance(found, dict):
            table = pandas.DataFrame({str(name): list(value) for name, value in found.items()})
        elif isinstance(found, list) and found and isinstance(found[0], dict):
            table = pandas.DataFrame.from_records(found)
        else:
            values = numpy.asarray(found)
            if values.ndim == 2:
                names = self._name(values.shape[1])
                table = pandas.DataFrame({name: values[:, at] for at, name in enumerate(names)})
            else:
                column = (
                    values if values.ndim == 1 else [each.tolist() for each in values] if values.ndim else []
                )
                table = pandas.DataFrame({self._name(1)[0]: column})
        if len(table) != rows:
            raise Failed("the model gave {} predictions for {} rows".format(len(table), rows))
        return table

    def _name(self, count: int) -> List[str]:
        if len(self._names) == count:
            return [str(name) for name in self._names]
        return [ONE] if count == 1 else ["{}_{}".format(ONE, at) for at in range(count)]


def params(model: Any, given: Dict[str, str]) -> Dict[str, Any]:
    """As the signature has them: texts are texts, all else is JSON."""
    if not given:
        return {}
    try:
        known = {each.name: each for each in model.metadata.get_params_schema() or ()}
    except AttributeError:  # mlflow before 2.6
        known = {}
    found = {}
    for name, text in given.items():
        if name not in known:
            raise Failed(
                "the model has no parameter {!r}; it has {}".format(name, ", ".join(known) or "none")
            )
        kind, shape = getattr(known[name].dtype, "name", ""), known[name].shape
        try:
            found[name] = text if kind in ("string", "datetime") and shape is None else json.loads(text)
        except ValueError:
            raise Failed("the parameter {} is {}, and not {!r}".format(name, kind, text)) from None
        if kind in KINDS and isinstance(found[name], int):
            found[name] = KINDS[kind](found[name])
    return found


# ---- writing -------------------------------------------------------------------------------------------------------


def write(table: Any, path: str, kind: str) -> None:
    """Whole, or not at all by this name."""
    draft = path + ".draft"
    if kind == "parquet":
        table.to_parquet(draft, index=False)
    else:
        with open(draft, "w", encoding="utf-8", newline="") as file:
            file.write(as_csv(table) if kind == "csv" else as_json(table))
    handle = os.open(draft, os.O_RDONLY)
    os.fsync(handle)  # else a power failure leaves an empty file by that name
    os.close(handle)
    os.rename(draft, path)


def as_csv(table: Any) -> str:
    if all(str(kind) in ("float64", "int64") for kind in table.dtypes):  # five times as quick, the same text
        columns = [
            ["" if each != each else repr(each) for each in column.tolist()] for _, column in table.items()
        ]
        return "".join(map("{}\n".format, map(",".join, zip(*columns))))
    return str(table.to_csv(index=False, header=False, lineterminator="\n"))


def as_json(table: Any) -> str:
    """A line for each row; NaN, which JSON does not have, is null."""
    names = list(table.columns)
    columns = [list(map(plain, column.tolist())) for _, column in table.items()]
    return "".join(json.dumps(dict(zip(names, row)), allow_nan=False) + "\n" for row in zip(*columns))


def plain(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return plain(value.tolist()) if hasattr(value, "tolist") else str(value)


def join(parts: List[str], target: str, kind: str, names: List[str]) -> None:
    if kind == "parquet":
        join_parquet(parts, target)
        return
    with open(target, "wb") as whole:
        if kind == "csv":
            pandas = importlib.import_module("pandas")
            head = pandas.DataFrame(columns=names).to_csv(index=False, lineterminator="\n")
            whole.write(head.encode())
        for each in parts:
            with open(each, "rb") as part:
                shutil.copyfileobj(part, whole, 1 << 20)


def join_parquet(parts: List[str], target: str) -> None:
    """A column that is empty in one part, or whole numbers, may be of another type in the next."""
    arrow, files = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    schemas = [files.read_schema(each).remove_metadata() for each in parts]
    schema = schemas[0]
    if any(each != schema for each in schemas):
        schema = arrow.unify_schemas(schemas, promote_options="permissive")
    with files.ParquetWriter(target, schema) as whole:
        for each in parts:
            whole.write_table(files.read_table(each).cast(schema))


# ---- the process ---------------------------------------------------------------------------------------------------


def predict(worker: Any, asked: Dict[str, Any], tell: Any) -> None:
    model, server = worker.load(asked["model"])
    tell(ready=worker.told(server))
    predictor, schema = Predictor(model, asked), model.metadata.get_input_schema()
    skip, done, number = asked["skip"], 0, asked["part"]
    names: List[str] = asked["names"]
    for frame in frames(asked, server, schema):
        rows = len(frame)
        if done + rows > skip:
            frame = frame.iloc[max(0, skip - done) :].reset_index(drop=True)
            table = predictor(frame)
            if names and list(table.columns) != names:
                raise Failed(
                    "the predictions had the columns {}, and now {}".format(names, list(table.columns))
                )
            names = list(table.columns)
            write(table, os.path.join(asked["folder"], "{:06}".format(number)), asked["to"])
            number += 1
            tell(rows=done + rows, part=number, names=names)
        done += rows
    if not number:
        raise Failed("the input has no rows")
    join(
        [os.path.join(asked["folder"], "{:06}".format(each)) for each in range(number)],
        asked["target"],
        asked["to"],
        names,
    )
    tell(done=done)


def beside(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("proj_worker", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is for who started us, and ends us
    asked = json.load(sys.stdin)
    worker = beside(asked["worker"])
    with open(int(sys.argv[1]), "w", encoding="utf-8", buffering=1) as told:

        def tell(**what: Any) -> None:
            told.write(json.dumps(what) + "\n")

        threading.Thread(target=worker.watch, args=(os.getppid(),), daemon=True).start()
        try:
            predict(worker, asked, tell)
        except Failed as error:
            tell(failed=str(error))
        except BaseException as error:
            traceback.print_exc()
            tell(failed="{}: {}".format(type(error).__name__, error))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads of the model's libraries keep nobody waiting


if __name__ == "__main__":
    main()
