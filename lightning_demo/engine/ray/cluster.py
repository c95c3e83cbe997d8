"""The cluster: started or joined, what runs in it, and how it ends. All that knows Ray's own API.

Calls wait for the cluster, for seconds at the most, and belong to no event loop. Ray's dashboard is
never started, nor its statistics; a cluster of this machine alone listens on the loopback address.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import InvalidSetting
from ...schemas import EngineStatus
from ...settings import Settings, replica_range, variable
from .registry import Plan, Record, Registry
from .scaling import by_wait
from .session_folder import remove_session

log = logging.getLogger(__name__)

APPLICATION = "lightning-demo"  # of Serve; the registry and its namespace are called so, too
DEPLOYMENT = "Engine"
LOOPBACK = "127.0.0.1"
STORE_BYTES = 100 * 2**20  # of Ray's object store, which nothing goes through
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0  # of an actor
START_SECONDS = 60.0  # of one that may have to be started
DRAIN_SECONDS = 30.0  # after which Serve kills a replica that is to end
HEALTH_SECONDS = 1.0, 5.0  # between two looks at a replica, and for its answer
# By which Ray, on Linux, too, takes the loopback address for this machine's own; and asks whoever
# reaches it for the token of this user. Read when it is imported.
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
# Seconds between two looks of Serve's controller; ten a second, as it does by itself, take a third
# of all that Ray's own processes take.
CONTROL_LOOP = "RAY_SERVE_CONTROL_LOOP_INTERVAL_S", "0.5"
# How nice replicas are. By itself 15: beside a busy browser, hardly anything would be painted.
NICENESS = "RAY_worker_niceness", "0"
ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"  # of a head
TRIES = 3  # to load the model, on one replica
INSTALL = "engine: Ray Serve is not here; install it with pip install -r requirements-ray.txt."


@dataclass(frozen=True, slots=True)
class Seen:
    """How the deployment is, as Serve's controller says."""

    wanted: int  # replicas
    problem: str = ""  # why there will be none


class Cluster:
    """One connection of this process to a cluster; there is one at most in a process."""

    def __init__(
        self, settings: Settings, replica: type, *, name: str = APPLICATION, connected: bool = False
    ) -> None:
        """Starts a cluster or joins one.

        Args:
            replica: the class that Serve starts (`web/replica.py`).
            name: of the application; two of other names in one cluster know nothing of each other.
            connected: whether this process has joined a cluster, which stays when this closes.

        Raises:
            InvalidSetting: Ray is not installed, or the cluster is not there, of another version,
                or something else.
        """
        if not (settings.ray_address or connected):
            os.environ |= ALONE
        elif settings.ray_address not in ("", "auto"):
            check_cluster(settings.ray_address)
        self._ray, self._serve = _imports()
        self._settings, self._replica, self._name = settings, replica, name
        self._fewest, self._most = replica_range(settings.replicas)
        self._web = secrets.token_hex(8)
        self._local = not (settings.ray_address or connected)
        self._connected = connected
        self._folder: Path | None = None  # of Ray's own files, of a cluster that is ours
        self.closed = False
        if not connected:
            self._connect()
        try:
            self._registry = self._make_registry()
        except Exception as error:
            self._disconnect()
            raise InvalidSetting(
                f"ray_address: the cluster does not do its part ({error})."
            ) from None

    def deploy(self, expected: EngineStatus) -> Plan:
        """Starts the replicas, unless another web process has; waits for none of them.

        Raises:
            InvalidSetting: the cluster has no room for them, or paints with something else.
        """
        self._settings = self._settings.decided(expected.model)
        mine = Plan(
            deployment=secrets.token_hex(4),
            key=f"sk-{secrets.token_hex(24)}",
            fingerprint=expected.fingerprint,
            version=__version__,
            settings=shared(self._settings),
        )
        try:
            plan: Plan = self._ask(self._registry.offer, self._web, mine, timeout=START_SECONDS)
            if (plan.fingerprint, plan.version) != (mine.fingerprint, mine.version):
                self._refuse(plan, mine)
            if plan != mine and self._runs():
                self._fewest, self._most = replica_range(plan.settings[variable("replicas")])
                log.info("the cluster paints already: its replicas are used as they are")
            else:
                self._check_room()
                self._run(plan)
        except Exception as error:
            self.close()
            if isinstance(error, InvalidSetting):
                raise
            raise InvalidSetting(f"engine: the cluster does not do its part ({error}).") from None
        return plan

    def roll(self) -> Plan:
        """Deploys what is there once more: Serve replaces one replica after another.

        Raises:
            InvalidSetting: nothing is deployed.
        """
        before: Plan | None = self._ask(self._registry.plan)
        if before is None:
            raise InvalidSetting("ray_address: nothing has been deployed in this cluster.")
        if before.version != __version__:
            log.info("from version %s to %s", before.version, __version__)
        plan = replace(before, deployment=secrets.token_hex(4), version=__version__)
        self._settings = replace(
            Settings.from_environment(plan.settings),
            ray_address=self._settings.ray_address or "auto",
        )
        self._fewest, self._most = replica_range(self._settings.replicas)
        self._ask(lambda *args: self._registry.offer.remote(*args, instead=True), "", plan)
        self._run(plan)
        return plan

    def look(self, plan: Plan) -> tuple[list[Record], Plan]:
        """Who paints now, and by which plan."""
        found: tuple[list[Record], Plan] = self._ask(self._registry.look, self._web, plan)
        return found

    def records(self) -> list[Record]:
        """Who paints now, for whoever is no web process."""
        found: list[Record] = self._ask(self._registry.records)
        return found

    def seen(self) -> Seen:
        """How the deployment is."""
        application = self._serve.status().applications.get(self._name)
        if application is None:
            return Seen(self._fewest)
        words = application.message
        deployment = application.deployments.get(DEPLOYMENT)
        counted = 0
        if deployment is not None:
            words = deployment.message or words
            states = deployment.replica_states
            counted = sum(number for state, number in states.items() if state != "STOPPING")
        wanted = self._fewest if self._fewest == self._most else max(self._fewest, counted)
        problem = f"No engine could be started: {last_line(words)}" if _failed(application) else ""
        return Seen(wanted, problem)

    def close(self) -> None:
        """Ends what runs, in a cluster that was joined only if no other process uses it."""
        if self.closed:
            return
        self.closed = True
        try:
            others = self._ask(self._registry.part, self._web)
            if not others and not self._local:
                self._serve.delete(self._name, _blocking=True)
                self._ray.kill(self._registry)
        except Exception as error:
            log.warning("the cluster could not be left in order: %s", error)
        self._disconnect()

    def _refuse(self, plan: Plan, mine: Plan) -> None:
        """Leaves a cluster that is not ours to end, whether or not anybody looks at it now.

        Raises:
            InvalidSetting: why.
        """
        self._ask(self._registry.part, self._web)
        self.leave()
        raise InvalidSetting(
            f"ray_address: the cluster paints with other weights ({plan.fingerprint}, version "
            f"{plan.version}) than this server ({mine.fingerprint}, version {mine.version}); start "
            "both alike."
        )

    def leave(self) -> None:
        """Goes, and lets everything run on."""
        self.closed = True
        self._disconnect()

    def _connect(self) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        for noisy in ("ray", "ray.serve"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        options: dict[str, Any] = {
            "namespace": self._name,
            "log_to_driver": log.isEnabledFor(logging.DEBUG),
            "logging_level": logging.WARNING,
            "configure_logging": False,
        }
        if self._local:
            for variable in (CONTROL_LOOP, NICENESS):
                os.environ.setdefault(*variable)
            options |= {
                "address": "local",
                "num_cpus": (os.cpu_count() or 1) + self._most,  # so that they fit
                "include_dashboard": False,
                "object_store_memory": STORE_BYTES,
                "_node_ip_address": LOOPBACK,
            }
        else:
            options["address"] = self._settings.ray_address
        try:
            context = self._ray.init(**options)
        except Exception as error:  # Ray raises whatever it likes
            with suppress(Exception):
                self._ray.shutdown()
            raise InvalidSetting(_why_not(self._settings.ray_address, error)) from None
        if self._local:
            self._folder = Path(context.address_info["session_dir"])
        where = self._ray.get_runtime_context().gcs_address
        log.info("Ray %s at %s", self._ray.__version__, where)

    def _disconnect(self) -> None:
        if not self._connected:
            self._ray.shutdown()
        if self._folder is not None:
            remove_session(self._folder)

    def _make_registry(self) -> Any:
        options: dict[str, Any] = {
            "name": f"{self._name}-registry",
            "namespace": self._name,
            "lifetime": "detached",
            "get_if_exists": True,
            "num_cpus": 0,
            "max_restarts": -1,
            "max_task_retries": -1,
        }
        return self._ray.remote(Registry).options(**options).remote()

    def _check_room(self) -> None:
        """
        Raises:
            InvalidSetting: there are fewer GPUs or cores than replicas.
        """
        kind = "GPU" if self._on_gpu else "CPU"
        there = int(self._ray.cluster_resources().get(kind, 0))
        free = int(self._ray.available_resources().get(kind, 0))
        if self._fewest > there:
            raise InvalidSetting(
                f"replicas ({variable('replicas')}): {self._fewest} are asked for, and the cluster "
                f"has {there} {kind}{'' if there == 1 else 's'}; each replica takes one."
            )
        if self._fewest > free:
            raise InvalidSetting(
                f"replicas ({variable('replicas')}): {self._fewest} are asked for, and of the "
                f"cluster's {there} {kind}s only {free} are free."
            )

    @property
    def _on_gpu(self) -> bool:
        device = self._settings.device
        if device != "auto":
            return device.startswith("cuda")
        wanted = self._settings.model != "miniature"
        return wanted and bool(self._ray.cluster_resources().get("GPU", 0))

    def _runs(self) -> bool:
        """Whether what has been deployed is there."""
        self._serve.start(proxy_location="Disabled")
        application = self._serve.status().applications.get(self._name)
        return application is not None and not _failed(application)

    def _run(self, plan: Plan) -> None:
        """Hands the deployment to Serve, which starts what is not there."""
        from ray.serve.api import RunTarget
        from ray.serve.config import AutoscalingConfig, AutoscalingPolicy

        number: dict[str, Any] = {"num_replicas": self._fewest}
        if self._most > self._fewest:
            number = {
                "autoscaling_config": AutoscalingConfig(
                    min_replicas=self._fewest,
                    max_replicas=self._most,
                    look_back_period_s=15.0,  # more than the ten seconds between reports
                    upscale_delay_s=3.0,
                    downscale_delay_s=120.0,
                    policy=AutoscalingPolicy(policy_function=by_wait),
                )
            }
        self._serve.start(proxy_location="Disabled")
        period, timeout = HEALTH_SECONDS
        make = self._serve.deployment(
            name=DEPLOYMENT,
            ray_actor_options={"num_cpus": 1, "num_gpus": 1 if self._on_gpu else 0},
            max_ongoing_requests=100,
            health_check_period_s=period,
            health_check_timeout_s=timeout,
            graceful_shutdown_wait_loop_s=0.1,
            graceful_shutdown_timeout_s=DRAIN_SECONDS,
            max_constructor_retry_count=TRIES,
            logging_config={"enable_access_log": False},
            **number,
        )
        verbose = log.isEnabledFor(logging.DEBUG)
        target = make(self._replica).bind(
            dict(plan.settings), plan.key, plan.deployment, self._registry, verbose
        )
        self._serve.run_many(
            [RunTarget(target, name=self._name, route_prefix=None)],
            wait_for_ingress_deployment_creation=False,
            wait_for_applications_running=False,
        )

    def _ask(self, method: Any, *arguments: Any, timeout: float = ANSWER_SECONDS) -> Any:
        call = getattr(method, "remote", method)
        return self._ray.get(call(*arguments), timeout=timeout)


def shared(settings: Settings) -> Mapping[str, str]:
    """The variables by which replicas paint as these settings say."""
    known = settings.to_environment()
    names = ("engine", "replicas")
    return settings.for_painting() | {variable(name): known[variable(name)] for name in names}


def check_cluster(address: str) -> None:
    """Whether a cluster answers there, which `ray.init` would find out in minutes.

    One that asks for a token gets that of this user; before Ray is imported, which reads it then.

    Raises:
        InvalidSetting: none does.
    """
    try:
        import grpc
    except ImportError:
        raise InvalidSetting(INSTALL) from None
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
            pass
    except (OSError, OverflowError) as error:
        raise InvalidSetting(f"ray_address: nothing answers at {address} ({error}).") from None
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(ALIVE)(b"", timeout=CONNECT_SECONDS)
            well = True
        except grpc.RpcError as error:
            well = error.code() == grpc.StatusCode.UNAUTHENTICATED
            if well:
                os.environ.setdefault("RAY_AUTH_MODE", "token")
    if not well:
        raise InvalidSetting(f"ray_address: what answers at {address} is no head of a Ray cluster.")


def _failed(application: Any) -> bool:
    return getattr(application.status, "value", application.status) == "DEPLOY_FAILED"


def last_line(text: str) -> str:
    """The line of a traceback that says what is wrong."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:500] if lines else "it does not say why."


def _imports() -> tuple[Any, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its use of what others give up is no concern of ours
            import ray
            from ray import serve
    except ImportError:
        raise InvalidSetting(INSTALL) from None
    return ray, serve


def _why_not(address: str, error: Exception) -> str:
    words = " ".join(str(error).split())[:500]
    if not address:
        return f"engine: Ray could not be started ({words})."
    if "ersion mismatch" in words:
        return f"ray_address: {address} is of another version of Ray or Python: {words}"
    return (
        f"ray_address: {address} could not be joined; is this machine part of the cluster, by "
        f"`ray start --address HOST:PORT`, and its ~/.ray/auth_token that of the head? ({words})"
    )
