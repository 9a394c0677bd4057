"""The run of a study as an RO-Crate: what went in, what came out, by which workflow and software, and when.

RO-Crate 1.1 (Sefton et al. 2023) in the profile of process runs: a JSON-LD file beside the results that says
of each of them its size, digest and format, so that an archive can take the folder as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

SPECIFICATION = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
CONTEXT = [f"{SPECIFICATION}/context", {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}]
LICENCE = "https://spdx.org/licenses/Apache-2.0"  # of the workflow
FORMATS = {
    **{".html": "text/html", ".csv": "text/csv", ".md": "text/markdown", ".bib": "text/x-bibtex"},
    **{".json": "application/json", ".yaml": "application/yaml", ".gz": "application/gzip"},
    **{".svg": "image/svg+xml", ".png": "image/png", ".pdf": "application/pdf"},
    **{".parquet": "application/vnd.apache.parquet", ".safetensors": "application/octet-stream"},
}
Entity = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """One file of the study."""

    path: str  # relative to the crate, with slashes
    bytes: int
    sha256: str


def crate(
    results: Sequence[Result], facts: Mapping[str, Any], software: Mapping[str, str], times: Sequence[str]
) -> Entity:
    """Return the content of ``ro-crate-metadata.json``.

    Args:
        results: All files that the crate describes.
        facts: Content of provenance.json.
        software: Versions of the packages that made the results.
        times: Beginnings and ends of the trainings, as ISO 8601 in one time zone.
    """
    inputs = [input_entity(manifest) for manifest in facts["manifests"]]
    files = [file_entity(result) for result in sorted(results, key=lambda result: result.path)]
    packages = [package_entity(name, version) for name, version in software.items()]
    run = {
        **{
            "@id": "#run",
            "@type": "CreateAction",
            "name": f"Run of the study: {facts['config']['study']['title']}",
        },
        **{"startTime": min(times), "endTime": max(times), "instrument": reference("#workflow")},
        **{"object": references(inputs), "result": references(files)},
    }
    root = root_entity(facts, max(times)) | {"hasPart": references(files), "mentions": [reference("#run")]}
    return {
        "@context": CONTEXT,
        "@graph": [
            descriptor(),
            root,
            licences(facts),
            *(run, workflow_entity(facts, packages), language(software)),
            *(*inputs, *packages, *files),
        ],
    }


def reference(identifier: str) -> Entity:
    """Return a reference to another entity."""
    return {"@id": identifier}


def references(entities: Sequence[Entity]) -> list[Entity]:
    """Return references to ``entities``."""
    return [reference(entity["@id"]) for entity in entities]


def descriptor() -> Entity:
    """Return the entity that says which file this is, of which specification, about what."""
    return {
        **{"@id": "ro-crate-metadata.json", "@type": "CreativeWork"},
        **{"conformsTo": reference(SPECIFICATION), "about": reference("./")},
    }


def root_entity(facts: Mapping[str, Any], date: str) -> Entity:
    """Return the entity of the folder of results."""
    study = facts["config"]["study"]
    return {
        **{"@id": "./", "@type": "Dataset", "name": study["title"], "description": study["question"]},
        **{"datePublished": date, "license": reference("#licences"), "conformsTo": reference(PROFILE)},
    }


def licences(facts: Mapping[str, Any]) -> Entity:
    """Return the entity that says under which licences the parts of the crate are."""
    datasets = [m for m in facts["manifests"] if "dataset" in m]
    told = "; ".join(f"{m['dataset']}: {m['licence']}" for m in datasets)
    return {
        **{"@id": "#licences", "@type": "CreativeWork", "name": "Licences of the inputs"},
        "description": f"Results hold text of datasets and of models under their own licences. {told}",
    }


def workflow_entity(facts: Mapping[str, Any], packages: Sequence[Entity]) -> Entity:
    """Return the entity of the workflow at its commit, with the software it ran on."""
    return {
        **{"@id": "#workflow", "@type": ["SoftwareSourceCode", "SoftwareApplication"], "name": "Plumbline"},
        **{"version": facts["commit"], "license": reference(LICENCE)},
        **{
            "programmingLanguage": reference("#snakemake-language"),
            "softwareRequirements": references(packages),
        },
        "description": f"Settings of the study: SHA-256 {facts['config_sha256']}",
    }


def language(software: Mapping[str, str]) -> Entity:
    """Return the entity of the language that the workflow is written in."""
    return {
        **{"@id": "#snakemake-language", "@type": "ComputerLanguage", "name": "Snakemake"},
        "version": software["snakemake"],
    }


def package_entity(name: str, version: str) -> Entity:
    """Return the entity of one package."""
    return {
        **{"@id": f"#software-{name}", "@type": "SoftwareApplication", "name": name},
        "softwareVersion": version,
    }


def input_entity(manifest: Mapping[str, Any]) -> Entity:
    """Return the entity of a dataset, model or teacher that went in."""
    role = next(name for name in ("dataset", "model", "teacher") if name in manifest)
    parts = manifest.get("sources", [manifest])
    revisions = [str(part["revision"]) for part in parts if part.get("revision")]
    about = {"license": manifest["licence"], "citation": manifest["citation"]} if role == "dataset" else {}
    return {
        **{"@id": quote(f"#{role}-{manifest[role]}", safe="#"), "@type": "CreativeWork"},
        **{"name": f"{role} {manifest[role]}", "identifier": f"sha256:{manifest['manifest_sha256']}"},
        **({"version": ", ".join(revisions)} if revisions else {}),
        **about,
    }


def file_entity(result: Result) -> Entity:
    """Return the entity of one file."""
    return {
        **{"@id": quote(result.path), "@type": "File", "name": PurePosixPath(result.path).name},
        **{"contentSize": str(result.bytes), "sha256": result.sha256},
        "encodingFormat": FORMATS[PurePosixPath(result.path).suffix],
    }
