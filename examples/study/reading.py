"""A study's YAML, checked before anything starts. Every complaint is one line that names the key."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from settings import BARE, KINDS, SCORES, Data, Method, Study, System

from guidegan_plugin import GuideConfig
from guidegan_plugin.attaching.mechanism_options import build, defaults
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.plugins.manager import collect, create_manager
from guidegan_plugin.utils.options import options_of

# Options of the host that other keys of the study decide, and which would overrule them.
DECIDED = frozenset(
    {"dataroot", "name", "model", "direction", "phase", "checkpoints_dir", "results_dir", "epoch", "num_test"}
    | {"n_epochs", "n_epochs_decay", "save_epoch_freq", "epoch_count", "continue_train", "load_iter"}
)
# Options of the command line that are neither fields of GuideConfig nor a mechanism's.
EXTRA_OPTIONS = frozenset({"refine", "pairs", "preset"})
# What scores need, hours after the training began.
PACKAGES = {"kid": "torch_fidelity", "fcn": "torchmetrics"}
_REFERENCE_HOST = Path(__file__).resolve().parents[1] / "reference_host"


class _Section:
    """A mapping of the YAML; what is asked for is checked, and what nobody asked for is refused."""

    def __init__(self, values: object, path: str = "") -> None:
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise ConfigError(f"{path or 'the study'}: expected names with values, found {_short(values)}")
        self._values, self._path, self._asked = values, path, set[str]()

    def key(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def get(self, name: str, default: Any, *kinds: type, least: int | None = None) -> Any:
        """Take a value of one of the kinds; `...` as the default: it has to be there."""
        self._asked.add(name)
        value = self._values.get(name, default)
        if value is ...:
            raise ConfigError(f"{self.key(name)}: is missing")
        if name in self._values and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            expected = " or ".join("none" if kind is type(None) else kind.__name__ for kind in kinds)
            raise ConfigError(f"{self.key(name)}: expected {expected}, found {_short(value)}")
        if least is not None and value < least:
            raise ConfigError(f"{self.key(name)}: expected at least {least}, found {value}")
        return value

    def choice(self, name: str, default: Any, choices: tuple[str, ...]) -> Any:
        value = self.get(name, default, str)
        if value not in choices:
            raise ConfigError(f"{self.key(name)}: expected one of {', '.join(choices)}, found {_short(value)}")
        return value

    def section(self, name: str, default: Any = ...) -> _Section:
        return _Section(self.get(name, default, dict), self.key(name))

    def options(self, name: str) -> dict[str, object]:
        """Take options of a command line."""
        options = self.get(name, {}, dict)
        for option, value in options.items():
            if not isinstance(option, str) or not isinstance(value, (str, int, float, bool)):
                raise ConfigError(f"{self.key(name)}.{option}: expected text, a number, true or false: {_short(value)}")
            if option in DECIDED or option.startswith(("-", "guide_")):
                raise ConfigError(f"{self.key(name)}.{option}: other keys of the study say it; leave it out")
        return dict(options)

    def close(self) -> None:
        unknown = sorted(set(self._values) - self._asked)
        if unknown:
            raise ConfigError(f"{self.key(unknown[0])}: is unknown; known are {', '.join(sorted(self._asked))}")


def read_study(path: Path, data: Path | None = None) -> Study:
    """Read and check a study.

    Args:
        path: Its YAML.
        data: Takes the place of its `data.path`.

    Raises:
        ConfigError: If the file cannot be read, or a value cannot work.
    """
    try:
        import scipy  # noqa: F401 - the report needs it after hours
        import yaml
    except ImportError as error:
        raise ConfigError('a study needs PyYAML and SciPy; pip install "guidegan_plugin[study]"') from error
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_twice(yaml.compose(text, yaml.SafeLoader))
        values = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: a date that is none
        raise ConfigError(f"{path.name}: cannot be read: {' '.join(str(error).split())}") from error
    study = _study(_Section(values), path.resolve().parent, text, data)
    packages = [PACKAGES[score] for score in study.scores if score in PACKAGES]
    for package in [*packages, *["matplotlib"] * (len(study.epochs) > 1)]:  # for curves over epochs
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f'this study needs {package}, which is missing; pip install "guidegan_plugin[eval]"')
    return study


def _refuse_twice(node: Any) -> None:
    """Refuse a key that stands twice: YAML would keep the last one in silence."""
    if isinstance(node.value if node else None, list):
        pairs = [entry for entry in node.value if isinstance(entry, tuple)]
        keys = [key.value for key, _ in pairs if isinstance(key.value, str)]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise ConfigError(f"{twice}: stands twice in one place of the study; remove one")
        for child in [value for _, value in pairs] or node.value:
            _refuse_twice(child)


def _study(top: _Section, folder: Path, text: str, given: Path | None) -> Study:
    data = _data(top.section("data"), folder, given)
    host = top.section("host", {})
    host_path = (folder / str(host.get("path", str(_REFERENCE_HOST), str))).resolve()
    for script in ("train.py", "test.py"):
        if not (host_path / script).is_file():
            raise ConfigError(f"host.path: no {script} in {host_path}")
    seed_option = host.get("seed_option", "seed", str, type(None))
    host.close()
    schedule, evaluate = top.section("schedule"), top.section("evaluate", {})
    scores, features = _scores(evaluate, data)
    weights = evaluate.get("weights", None, str)
    study = Study(
        title=top.get("title", "A study", str),
        data=data,
        host=host_path,
        seed_option=seed_option,
        methods=_methods(top.get("methods", ..., dict), _systems(top, data)),
        seeds=_seeds(top),
        schedule=_schedule(schedule),
        scores=scores,
        features=features,
        weights=folder / weights if weights else None,
        judge_images=evaluate.get("judge_images", 1200, int, least=2),
        judge_passes=evaluate.get("judge_passes", 20 if "fcn" in scores else 8, int, least=1),
        resamples=evaluate.get("resamples", 10_000, int, least=1),
        text=text,
    )
    for section in (schedule, evaluate, top):
        section.close()
    return study


def _data(section: _Section, folder: Path, given: Path | None) -> Data:
    kind, path = section.choice("kind", ..., KINDS), section.get("path", None, str)
    drawn = kind == "shapes"
    if drawn and (path or given):
        raise ConfigError("data.path: shapes are made on the spot; leave out data.path and --data, or change data.kind")
    data = Data(
        kind=kind,
        size=section.get("size", ..., int, least=32),
        train=section.get("train", 200, int, least=1) if drawn else 0,
        test=section.get("test", ..., int, least=2),
        seed=section.get("seed", 0, int, least=0) if drawn else 0,
        path=given.resolve() if given else (folder / path).resolve() if path else None,
        direction=section.choice("direction", "AtoB", ("AtoB", "BtoA")),
    )
    if data.direction == "BtoA" and not data.paired:
        raise ConfigError("data.direction: BtoA is for pairs; an unpaired study looks at both directions anyway")
    section.close()
    return data


def _schedule(section: _Section) -> dict[str, int]:
    epochs = section.get("n_epochs", ..., int, least=1), section.get("n_epochs_decay", 0, int, least=0)
    every = section.get("save_epoch_freq", sum(epochs), int, least=1)
    if sum(epochs) % every:
        raise ConfigError(f"schedule.save_epoch_freq: {every} does not divide {sum(epochs)} epochs; the last is tested")
    return {"n_epochs": epochs[0], "n_epochs_decay": epochs[1], "save_epoch_freq": every}


def _scores(evaluate: _Section, data: Data) -> tuple[tuple[str, ...], str]:
    scores = evaluate.get("scores", ["kid"], list)
    features = evaluate.get("features", "shapes" if data.kind == "shapes" else "inception", str)
    for name in scores:
        if not isinstance(name, str) or name not in SCORES:
            raise ConfigError(f"evaluate.scores: {_short(name)} is unknown; known are {', '.join(SCORES)}")
        if data.kind not in SCORES[name]:
            raise ConfigError(f"evaluate.scores: {name} needs data.kind {' or '.join(SCORES[name])}, not {data.kind}")
    if not {"kid", "fcn"} & set(scores):
        raise ConfigError("evaluate.scores: needs kid or fcn, by which the best epoch is chosen")
    if "domain" in scores and features != "shapes":
        raise ConfigError("evaluate.scores: domain is told by the shapes classifier; leave domain or features out")
    if features == "shapes" and data.kind != "shapes":
        raise ConfigError(f"evaluate.features: the shapes classifier knows nothing of data.kind {data.kind}")
    return tuple(dict.fromkeys(scores)), features


def _seeds(top: _Section) -> tuple[int, ...]:
    seeds = top.get("seeds", ..., list)
    if not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds) or len(set(seeds)) < len(seeds):
        raise ConfigError(f"seeds: expected different whole numbers from 0, found {_short(seeds)}")
    return tuple(seeds)


def _systems(top: _Section, data: Data) -> list[System]:
    """The systems of a study; what stands beside them at the top is of all."""
    common = [top.options(name) for name in ("options", "train_options", "test_options")]
    named = top.get("systems", {}, dict)
    if not named:
        return [System("", top.get("model", ..., str), data.paired, *common)]
    found = []
    for name, values in named.items():
        section = _Section(values, f"systems.{name}")
        own = [section.options(which) for which in ("options", "train_options", "test_options")]
        pairs = section.get("pairs", data.paired, bool)
        if pairs and data.kind == "unpaired":
            raise ConfigError(f"systems.{name}.pairs: data.kind unpaired has no pairs; leave it out")
        merged = [shared | given for shared, given in zip(common, own, strict=True)]
        found.append(System(str(name), section.get("model", ..., str), pairs, *merged))
        section.close()
    return found


def _methods(values: Mapping[object, object], systems: Sequence[System]) -> tuple[Method, ...]:
    if values.get(BARE, ...) is ...:
        raise ConfigError(f"methods: the bare host is missing, and all is compared with it; add `{BARE}: {{}}`")
    guides = [(str(name), _guide_options(str(name), given)) for name, given in values.items()]
    guides.sort(key=lambda guide: bool(guide[1]))
    methods = [
        Method(f"{system.name} {name}".strip(), options, system) for system in systems for name, options in guides
    ]
    slugs = [method.slug for method in methods]
    for method in methods:
        if not method.slug.strip(".") or {*method.name} & {*"|`\r\n"}:
            raise ConfigError(f"methods: {_short(method.name)} cannot name a folder and a row of a table; rename it")
        if slugs.count(method.slug) > 1:
            raise ConfigError(f"methods.{method.name}: its folder {method.slug} is another method's, too; rename one")
    return tuple(methods)


def _guide_options(name: str, given: object) -> dict[str, object]:
    options = {} if given is None else given
    if not isinstance(options, dict):
        raise ConfigError(f"methods.{name}: expected guide options with values, found {_short(given)}")
    if bool(options) == (name == BARE):
        wanted = "no option: it is the host without guidance" if name == BARE else "at least one option"
        raise ConfigError(f"methods.{name}: expected {wanted}, found {_short(options)}")
    manager = create_manager()
    own, brought = {each.name for each in options_of(GuideConfig)}, defaults(manager)
    for option, value in options.items():
        if option not in (known := own | brought.keys() | EXTRA_OPTIONS):
            choices = ", ".join(sorted(known))
            raise ConfigError(f"methods.{name}.{option}: is unknown; known are {choices} (--guide_* without guide_)")
        if not isinstance(value, (str, int, float, bool)):
            raise ConfigError(f"methods.{name}.{option}: expected text, a number, true or false: {_short(value)}")
    # A test reads it, hours after the training began.
    if type(passes := options.get("refine", 0)) is not int or passes < 0:
        raise ConfigError(f"methods.{name}.refine: expected a whole number from 0, found {_short(passes)}")
    kinds = {"attention": "attention", "concat": "concatenation", "transfer": "transfer"}
    registered = {option: collect(manager, kind) for option, kind in kinds.items()}
    for option, found in registered.items():
        names = sorted({"none", *found} if option == "attention" else found)
        if options.get(option, names[0]) not in names:
            raise ConfigError(
                f"methods.{name}.{option}: expected one of {', '.join(names)}, not {_short(options[option])}"
            )
    try:
        config = GuideConfig(**{option: value for option, value in options.items() if option in own})
        config = config.with_options({option: value for option, value in options.items() if option in brought})
        for option, found in registered.items():
            if (mechanism := found.get(getattr(config, option))) is not None:
                build(mechanism, config)
    except ConfigError as error:
        raise ConfigError(f"methods.{name}: {error}") from error
    return options


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."
