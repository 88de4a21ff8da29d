"""From names to inputs: policy, pool, packs and the two models, fixed as one plan with one digest."""

from collections.abc import Callable
from urllib.parse import urlsplit

from paritygate.api import AcceleratorPool, Artefact, DataFile, Subject, ValidationPolicy
from paritygate.evidence import digest_of
from paritygate.judge import PlanError, build_plan, check_blocks, plan_digest, planned_pack
from paritygate.serving import Wanted, preflight, read_target

from .case import Problem, Resolved
from .model import Observed
from .reasons import Reason
from .tries import numbered

SCHEMES = ("s3", "gs", "hf", "https", "pvc")
"""Where an evaluator pod can fetch from."""


def resolve(observed: Observed) -> Resolved | Problem:
    """The inputs of an evaluation as they are today, or the first thing that is wrong with them."""
    for check in _CHECKS:
        if (problem := check(observed)) is not None:
            return problem
    policy, pool, baseline = observed.policy, observed.pool, _baseline(observed)
    if isinstance(baseline, Problem):
        return baseline
    if problem := _unreachable("baseline.uri", baseline.uri):
        return problem
    assert policy is not None
    assert pool is not None
    try:
        return _planned(observed, policy, pool, baseline)
    except PlanError as error:
        where = f"ValidationPolicy {policy.metadata.name}: spec." if error.of_policy else "spec."
        return Problem(Reason.INVALID_SPEC, f"{where}{error.field}: {error.message}")


def pack_names(observed: Observed) -> tuple[str, ...]:
    """Packs to judge on, each once: the policy's first, so that their order is the policy owner's."""
    required = observed.policy.spec.required_packs if observed.policy else ()
    return tuple(dict.fromkeys(ref.name for ref in (*required, *observed.validation.spec.packs)))


def under_way(observed: Observed) -> bool:
    """Whether the inputs of this very spec were already fixed: then the baseline is not asked for again."""
    status = observed.validation.status
    return status.input_digest is not None and status.observed_generation == observed.validation.metadata.generation


def _planned(observed: Observed, policy: ValidationPolicy, pool: AcceleratorPool, baseline: Subject) -> Resolved:
    spec = observed.validation.spec
    packs = [pack for name in pack_names(observed) if (pack := observed.packs.get(name)) is not None]
    environment = {
        "pool": pool.metadata.name,
        "nodeSelector": ",".join(f"{key}={value}" for key, value in sorted(pool.spec.node_selector.items())),
        "image": _image(observed),
    }
    plan = build_plan(
        baseline=baseline,
        candidate=Subject(uri=spec.candidate.uri, digest=spec.candidate.digest),
        technique=spec.candidate.technique,
        calibration=_calibration(spec.candidate.calibration),
        purpose=spec.purpose,
        packs=[
            planned_pack(pack.metadata.name, pack.spec, pack.spec.data.inputs, pack.spec.data.labels) for pack in packs
        ],
        policy=policy.spec,
        execution_providers=pool.spec.runtime.execution_providers,
        threads=pool.spec.runtime.threads,
        runtime=pool.spec.runtime.name,
        environment=environment,
    )
    plan = numbered(observed, plan)
    check_blocks(plan)
    return Resolved(plan, plan_digest(plan), digest_of(policy.spec.dump()), policy, pool)


def _baseline(observed: Observed) -> Subject | Problem:
    """As the spec names it; else what was fixed for this spec; else what serves, which a release of ours may hide."""
    spec, status = observed.validation.spec, observed.validation.status
    if spec.baseline is not None:
        return Subject(uri=spec.baseline.uri, digest=spec.baseline.digest)
    if under_way(observed) and status.subject is not None:
        return status.subject.baseline
    name = spec.target.inference_service if spec.target else ""
    release = status.release
    if release is not None and (release.target, release.candidate_uri) == (name, spec.candidate.uri):
        return Subject(uri=release.baseline_uri)
    target = read_target(observed.target) if observed.target is not None else None
    if target is not None and target.storage_uri:
        return Subject(uri=target.storage_uri)
    refusal = preflight(Wanted(name=name, target=target, candidate_uri=spec.candidate.uri, to_release=False))
    assert refusal is not None  # no target or no storageUri is what the preflight objects to first
    return Problem(refusal.reason, refusal.message, refusal.passing)


def _policy(observed: Observed) -> Problem | None:
    if observed.policy is not None:
        return None
    name = observed.validation.spec.policy
    return Problem(
        Reason.POLICY_NOT_FOUND,
        f"spec.policy: ValidationPolicy {name} does not exist: create it or name another; the validation goes on by "
        "itself when it appears",
    )


def _pool(observed: Observed) -> Problem | None:
    if observed.pool is not None:
        return None
    name = observed.validation.spec.pool
    return Problem(
        Reason.POOL_NOT_FOUND,
        f"spec.pool: AcceleratorPool {name} does not exist: create it or name another; the validation goes on by "
        "itself when it appears",
    )


def _image(observed: Observed) -> str:
    """Of the evaluator that the policy names, or that the operator has for the pool's runtime; empty: none."""
    policy, pool, settings = observed.policy, observed.pool, observed.settings
    if policy is not None and policy.spec.evaluator_image:
        return policy.spec.evaluator_image
    torch = pool is not None and pool.spec.runtime.name == "torch"
    return settings.torch_evaluator_image if torch else settings.evaluator_image


def _runtime(observed: Observed) -> Problem | None:
    if _image(observed) or observed.pool is None:
        return None
    pool = observed.pool
    return Problem(
        Reason.RUNTIME_NOT_AVAILABLE,
        f"spec.pool: AcceleratorPool {pool.metadata.name} runs {pool.spec.runtime.name}, and the operator was given no "
        f"evaluator image that holds it: set evaluator.images.{pool.spec.runtime.name} in the chart's values, name one "
        "in the policy's evaluatorImage, or name another pool",
    )


def _namespace(observed: Observed) -> Problem | None:
    namespace, pool = observed.validation.metadata.namespace or "", observed.pool
    if pool is None or not pool.spec.allowed_namespaces or namespace in pool.spec.allowed_namespaces:
        return None
    return Problem(
        Reason.NAMESPACE_NOT_ALLOWED,
        f"spec.pool: AcceleratorPool {pool.metadata.name} is not open to namespace {namespace}: ask its owner to add "
        "it to allowedNamespaces, or name another pool",
    )


def _packs(observed: Observed) -> Problem | None:
    missing = [name for name in pack_names(observed) if observed.packs.get(name) is None]
    if not missing:
        return None
    required = {ref.name for ref in observed.policy.spec.required_packs} if observed.policy else set()
    said = ", ".join(f"{name} (required by the policy)" if name in required else name for name in missing)
    return Problem(
        Reason.PACK_NOT_FOUND,
        f"spec.packs: no ScenarioPack {said} in namespace {observed.validation.metadata.namespace}: create it; the "
        "validation goes on by itself when it appears",
    )


def _data(observed: Observed) -> Problem | None:
    """A pack's files: named by content, and within reach of a pod. The file form may leave both open."""
    for name in pack_names(observed):
        pack = observed.packs.get(name)
        for part, file in (("inputs", pack.spec.data.inputs), ("labels", pack.spec.data.labels)) if pack else ():
            where = f"ScenarioPack {name}: spec.data.{part}"
            if problem := _unreachable(f"{where}.uri", file.uri):
                return problem
            if file.digest is None:
                return Problem(
                    Reason.INVALID_SPEC, f"{where}.digest is required in a cluster: `paritygate digest FILE` prints it"
                )
    return None


def _candidate(observed: Observed) -> Problem | None:
    candidate = observed.validation.spec.candidate
    if problem := _unreachable("spec.candidate.uri", candidate.uri):
        return problem
    return _unreachable("spec.candidate.calibration.uri", candidate.calibration.uri) if candidate.calibration else None


def _calibration(artefact: Artefact | None) -> DataFile | None:
    return DataFile(uri=artefact.uri, digest=artefact.digest) if artefact else None


def _unreachable(where: str, uri: str) -> Problem | None:
    parts = urlsplit(uri)
    if parts.scheme in SCHEMES and parts.netloc:
        return None
    allowed = ", ".join(f"{scheme}://" for scheme in SCHEMES)
    return Problem(Reason.INVALID_SPEC, f"{where}: {uri} is nothing that a pod can fetch: use one of {allowed}")


_CHECKS: tuple[Callable[[Observed], Problem | None], ...] = (
    _policy,  # who says what has to be proved
    _pool,  # where it will serve
    _runtime,  # by what
    _namespace,  # who may use the pool
    _packs,  # on what it is judged
    _data,  # named by content
    _candidate,  # and within reach
)
