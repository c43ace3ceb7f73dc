"""conf/<job>.yaml says the truth, for every job in the folder."""

from __future__ import annotations

from dataclasses import MISSING
from pathlib import Path

import pytest

import jobs
from lib import config, core_yaml, registry
from lib.job import Job

FOLDER = Path(jobs.__file__).parent
every_job = pytest.mark.parametrize("name", registry.names(FOLDER))


def flat(values, known, prefix=""):
    """Dotted keys and values, down to the keys that the dataclasses have."""
    for key, value in values.items():
        if isinstance(value, dict) and prefix + key not in known:
            yield from flat(value, known, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@every_job
def test_the_job_is_called_as_its_module_and_summed_up_without_an_import(name):
    job = registry.load("jobs", name)

    assert job.name == name
    assert registry.summary(FOLDER, name) == job.summary != ""


@every_job
def test_the_file_holds_every_key_with_the_default_of_its_dataclass(name):
    job = registry.load("jobs", name)
    defaults = {key.name: key.default for key in config.keys(job) if key.default is not MISSING}

    written = dict(flat(core_yaml.load(config.conf_path(job).read_text()), defaults))

    assert list(written) == list(defaults)
    assert {key: as_plain(value) for key, value in written.items()} == {
        key: as_plain(value) for key, value in defaults.items()
    }


@every_job
def test_every_key_has_a_comment(name):
    job = registry.load("jobs", name)
    assert [key.name for key in config.keys(job) if key.default is not MISSING and not key.comment] == []


@every_job
def test_no_key_of_a_job_hides_a_section(name):
    job = registry.load("jobs", name)
    sections = ("run", *job.sources) if isinstance(job, Job) else ()
    assert not {key.name for key in config.keys(job)} & set(sections)


@every_job
def test_every_output_column_has_a_meaning(name):
    job = registry.load("jobs", name)
    silent = [field.name for field in getattr(job, "output_schema", ()) if not (field.metadata or {}).get(b"meaning")]
    assert silent == []


def as_plain(value):
    return list(value) if isinstance(value, tuple) else value
