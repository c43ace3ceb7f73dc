"""Model files run code when they are loaded: nothing is deserialised before its hash is the one that was promised."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lib import storage
from lib.errors import UsageError
from lib.model.ask import first_line

INLINE_BYTES = 4 << 20  # a larger file is read by every process, from storage that all nodes see


@dataclass(frozen=True)
class ModelFile:
    """Where a fitted scikit-learn model lies, and what it must be."""

    manifest: str = ""  # train_model's: gives all else
    path: str = ""
    format: Literal["joblib", "skops"] | None = None  # by the file's suffix, where not said
    sha256: str = ""
    trusted: tuple[str, ...] = ()  # types of a skops file that may be loaded, beside those skops knows
    inline: str = ""  # filled in by the run: the file itself, base64


def by_manifest(model: ModelFile, bundled: Path, job: str) -> tuple[ModelFile, dict[str, Any]]:
    """The file that a manifest (else the bundled one) names beside itself, and the manifest. Raises UsageError."""
    uri = storage.to_uri(model.manifest or str(bundled))
    try:
        manifest = json.loads(storage.read_bytes(uri))
        known = manifest["model"]
        path = f"{uri.rpartition('/')[0]}/{known['path']}"
        return replace(model, manifest=uri, path=path, format=known["format"], sha256=known["sha256"]), manifest
    except OSError as error:
        raise UsageError(f"{job}.model.manifest {uri}: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{job}.model.manifest {uri}: not what train_model writes: {error!r}") from None


def sealed(model: ModelFile, job: str) -> ModelFile:
    """The file's absolute URI and, where it is small, its content. Raises UsageError where the hash is another."""
    uri = storage.to_uri(model.path)
    try:
        data = storage.read_bytes(uri)
    except OSError as error:
        raise UsageError(f"{job}.model.path {uri}: {(error.strerror or str(error)).lower()}") from None
    found = hashlib.sha256(data).hexdigest()
    if not model.sha256:
        raise UsageError(f"{job} needs model.sha256: a model file can run any code; the hash of {uri} is {found}")
    if found != model.sha256.lower():
        raise UsageError(f"{job}.model.sha256 must be the hash of {uri}, which is {found}; got {model.sha256}")
    inline = base64.b64encode(data).decode() if len(data) <= INLINE_BYTES else ""
    return replace(model, path=uri, sha256=found, inline=inline)


def load(model: ModelFile) -> Any:
    """The fitted model. Raises UsageError where it is not the promised file, or was made by another scikit-learn."""
    data = base64.b64decode(model.inline) if model.inline else storage.read_bytes(model.path)
    if hashlib.sha256(data).hexdigest() != model.sha256.lower():
        raise UsageError(f"model.path {model.path}: not the file of model.sha256 {model.sha256}")
    kind = model.format or ("skops" if model.path.endswith(".skops") else "joblib")
    from sklearn.exceptions import InconsistentVersionWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        try:
            loaded = _joblib(data) if kind == "joblib" else _skops(data, model)
        except InconsistentVersionWarning as warning:
            raise UsageError(
                f"model.path {model.path}: fitted by scikit-learn {warning.original_sklearn_version}, "
                f"here is {warning.current_sklearn_version}; install that one, or fit it again"
            ) from None
        except UsageError:
            raise
        except (
            Exception
        ) as error:  # whatever the file's code raises: a module that is not here, a file that is no model
            raise UsageError(f"model.path {model.path}: cannot be loaded: {first_line(error)}") from None
    return _alone(loaded)


def _joblib(data: bytes) -> Any:
    import joblib

    return joblib.load(io.BytesIO(data))


def _skops(data: bytes, model: ModelFile) -> Any:
    import skops.io

    unknown = sorted(set(skops.io.get_untrusted_types(data=data)) - set(model.trusted))
    if unknown:
        raise UsageError(f"model.path {model.path}: holds types that model.trusted does not name: {', '.join(unknown)}")
    return skops.io.loads(data, trusted=list(model.trusted))


def _alone(model: Any) -> Any:
    """One thread: the task has one core, and sums keep their order."""
    if hasattr(model, "get_params") and "n_jobs" in model.get_params():
        model.set_params(n_jobs=1)
    return model
