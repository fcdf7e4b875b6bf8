"""What an agent wants of Presidio: what is missing or unknown is told when its folder is read, with file and line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from activities.catalogue import Catalogue, load_agent
from activities.guardrails.presidio import analysing
from tests.activities.catalogue_folders import SCOPE, make_folder, problems_of
from tests.presidio_models import ruled

ROOT = Path(__file__).parents[2]
ROW = "| Found by Presidio | {} |\n"
TABLE = "\n## Guardrails\n\n| Guardrail | Setting |\n|---|---|\n"
LINE = f"scope.md:{(SCOPE + TABLE).count(chr(10)) + 1}: "


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ruled(tmp_path_factory.mktemp("models") / "names", PERSON=["Tom Baker"])


def folder(root: Path, entities: str | None, presidio: str | None, row: str = "") -> Path:
    """An agent folder; entities as the scope names them, and the lines under `presidio` in agent.yaml."""
    scope = SCOPE + (TABLE + (ROW.format(entities) if entities else "") + row if entities or row else "")
    yaml = "title: Shop\n" + (f"presidio:\n{presidio}" if presidio is not None else "")
    return make_folder(root, files={"scope.md": scope, "agent.yaml": yaml})


def told(root: Path, entities: str | None, presidio: str | None, row: str = "") -> list[str]:
    return [str(problem) for problem in problems_of(folder(root, entities, presidio, row))]


def test_a_folder_beside_the_agents_files_is_a_model(tmp_path: Path) -> None:
    at = folder(tmp_path, "person, us ssn", "  models: {en: ./models/en}\n  score: 0.4\n")
    ruled(at / "models" / "en", PERSON=["Tom Baker"])
    agent = load_agent(at)
    assert agent.scope.guardrails.presidio_entities == ("PERSON", "US_SSN")
    assert agent.settings.presidio is not None
    assert agent.settings.presidio.models == {"en": str(at / "models" / "en")}
    assert agent.settings.presidio.score == 0.4


def test_each_half_needs_the_other(tmp_path: Path, model: Path) -> None:
    assert told(tmp_path / "a", "PERSON", None) == [
        f"{LINE}'Found by Presidio' needs a spaCy model: add for example "
        "`presidio: {models: {en: en_core_web_sm}}` to agent.yaml"
    ]
    assert told(tmp_path / "b", None, f"  models: {{en: {model}}}\n") == [
        "agent.yaml:2: presidio: scope.md doesn't say what to look for; add a row like "
        "`| Found by Presidio | PERSON |` to its guardrails"
    ]


@pytest.mark.parametrize(
    ("entities", "words"),
    [
        ("PERSN", "none of the models in agent.yaml finds PERSN; did you mean 'PERSON'? With these there are "),
        ("LOCATION", "none of the models in agent.yaml finds LOCATION"),
        ("PERSON, DE_TAX_ID", "DE_TAX_ID is found in texts in de only; add a model for one to `presidio`"),
        ("PERSON, EMAIL_ADDRESS", "EMAIL_ADDRESS is found by our own detectors, as 'e-mails': leave it out here"),
        ("PERSON; LOCATION", "is 'PERSON; LOCATION'; allowed is names of Presidio's"),
    ],
)
def test_a_name_that_isnt_found_by_them_has_its_line(tmp_path: Path, model: Path, entities: str, words: str) -> None:
    found = told(tmp_path, entities, f"  models: {{en: {model}}}\n")
    assert any(each.startswith(f"{LINE}'Found by Presidio'") and words in each for each in found), found


@pytest.mark.parametrize(
    ("presidio", "line", "words"),
    [
        ("  models: {en: en_core_web_nowhere}\n", 3, "presidio.models.en: the spaCy model 'en_core_web_nowhere' isn't "
         "installed, and none is downloaded: `pip install en_core_web_nowhere-VERSION-py3-none-any.whl`"),
        ("  models: {en: json}\n", 3, "presidio.models.en: the spaCy pipeline 'json' can't be loaded"),
        ("  models:\n    en: ./models\n", 4, "presidio.models.en: there is no folder '"),
        ("  models: {en: ./knowledge}\n", 3, "is no spaCy pipeline: it has no config.cfg"),
        ("  models: {de: MODEL}\n", 3, "is one for 'en': write `en: "),
        ("  models: {english: MODEL}\n", 3, "'english' is no language: write its code"),
        ("  models: {}\n", 3, "presidio.models: "),
        ("  models: {en: ''}\n", 3, "the model for 'en' is empty"),
        ("  models: {en: MODEL}\n  score: 2\n", 4, "presidio.score: "),
        ("  model: {en: MODEL}\n", 3, "unknown key 'presidio.model'; did you mean 'models'?"),
    ],
)  # fmt: skip
def test_a_model_that_cant_be_used_has_its_line(
    tmp_path: Path, model: Path, presidio: str, line: int, words: str
) -> None:
    found = told(tmp_path, "PERSON", presidio.replace("MODEL", str(model)))
    assert any(each.startswith(f"agent.yaml:{line}: ") and words in each for each in found), found


def test_a_language_in_which_nothing_is_looked_for_is_a_mistake(tmp_path: Path, model: Path) -> None:
    french = ruled(tmp_path / "fr", language="fr")
    (found,) = told(tmp_path, "PERSON", f"  models: {{en: {model}, fr: {french}}}\n")
    assert found == (
        "agent.yaml:3: presidio.models.fr: nothing that scope.md names is found in this language; take it out"
    )


def test_it_contradicts_that_everything_is_allowed(tmp_path: Path, model: Path) -> None:
    (found,) = told(tmp_path, "PERSON", f"  models: {{en: {model}}}\n", "| Personal data in answers | allowed |\n")
    assert found.startswith(f"{LINE}'Found by Presidio' takes nothing out, since line ")


def test_a_broken_pipeline_stops_its_agent_and_no_other(tmp_path: Path, model: Path) -> None:
    at = folder(tmp_path, "PERSON", "  models: {en: ./models}\n")
    (at / "models").mkdir()
    (at / "models" / "config.cfg").write_text("[nlp]\nlang = 'en'\n")
    make_folder(tmp_path, "other")
    catalogue = Catalogue.load([tmp_path])
    assert list(catalogue.agents) == ["other"]
    (problem,) = catalogue.broken["shop"]
    assert "can't be loaded: " in str(problem)


def test_a_presidio_of_another_make_stops_its_agent_only(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moved(*_: object) -> None:
        raise ImportError("cannot import name 'NerModelConfiguration'")

    monkeypatch.setattr(analysing, "recognisers", moved)
    (found,) = told(tmp_path, "PERSON", f"  models: {{en: {model}}}\n  score: 0.33\n")
    assert found.startswith("agent.yaml:2: presidio: Presidio can't be set up: ImportError: cannot import name")


def test_mistakes_elsewhere_arent_told_as_missing_models(tmp_path: Path) -> None:
    (found,) = told(tmp_path, "PERSON", "  models: {en: x}\nnonsense: 1\n")
    assert "unknown key 'nonsense'" in found


WITHOUT = """
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("presidio_analyzer", "spacy"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from workers.agents.commands import main
raise SystemExit(main(sys.argv[1:]))
"""


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, model: Path) -> None:
    at = folder(tmp_path, "PERSON", f"  models: {{en: {model}}}\n")
    command = [sys.executable, "-c", WITHOUT, "validate", "--json", str(at)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done.stderr
    (agent,) = json.loads(done.stdout)["agents"]
    (problem,) = [each for each in agent["problems"] if each["file"] != "offline.yaml"]
    assert (problem["file"], problem["line"]) == ("agent.yaml", 2)
    assert "Presidio isn't installed in this environment: `pip install 'plangate[presidio]'`" in problem["problem"]
    assert "Traceback" not in done.stderr


LAZY = """
import sys, time
from pathlib import Path
import client.cli.app
from activities.catalogue import Catalogue
import workers.worker
Catalogue.load([Path("agents")])
print(sorted({name.partition(".")[0] for name in sys.modules} & {"presidio_analyzer", "spacy", "numpy", "thinc"}))
"""


def test_who_doesnt_want_it_loads_nothing_of_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LAZY], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
