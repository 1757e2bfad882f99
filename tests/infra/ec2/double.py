"""A small AWS to test against: moto's server, with what EC2 does and moto does not, and with faults when asked for.

It answers all services of all regions at one URL. Beyond moto: RunInstances keeps to ClientToken, MaxCount, capacity,
known images and the limit on user data; TerminateInstances to termination protection; images take a while, and their
snapshots have tags; GetProducts knows the prices that a test has set.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any
from urllib.parse import urlencode

from aws_wire import Answer, Request, error, forward, reply, understood

from infra.local import s3

ACCOUNT = "123456789012"  # moto's
ON_DEMAND, SPOT = "on-demand", "spot"
MAX_USER_DATA = 16_384  # bytes, before base64
_CAPACITY = "InsufficientInstanceCapacity"


class _Kind(Enum):
    BEFORE = "called before it is carried out"
    ERROR = "answered with an error, not carried out"
    REFUSED = "the connection ends, not carried out"
    LOST = "carried out, then the connection ends"
    GARBLED = "carried out, then answered with what is not AWS's"
    AFTER = "called after it was carried out, before the answer is sent"


@dataclass
class _Rule:
    kind: _Kind
    operation: str
    when: Callable[[Request], bool]
    left: int | None
    code: str = ""
    message: str = ""
    call: Callable[[Request], object] = lambda request: None

    def takes(self, request: Request) -> bool:
        if self.operation != request.operation or self.left == 0 or not self.when(request):
            return False
        self.left = None if self.left is None else self.left - 1
        return True


def _always(request: Request) -> bool:
    return True


@dataclass
class Double:
    """The server's application, and what a test may tell it.

    Attributes:
        log: every request, in the order of arrival.
        capacity: how many more instances of (type, zone, market) can be had, market ON_DEMAND or SPOT; what is not
            named here: any number.
    """

    moto: s3.WSGI
    endpoint: str
    log: list[Request] = field(default_factory=list)
    capacity: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _rules: list[_Rule] = field(default_factory=list)
    _prices: list[dict[str, Any]] = field(default_factory=list)
    _launches: dict[tuple[str, ...], _Launch] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    # -- what a test says ----------------------------------------------------------------------------------

    def fail(
        self,
        operation: str,
        code: str,
        message: str = "as the test asked",
        *,
        times: int | None = None,
        when: Callable[[Request], bool] = _always,
    ) -> None:
        """Answer an operation with an error; None times: from now on. boto3 tries some errors again by itself."""
        self._rules.append(_Rule(_Kind.ERROR, operation, when, times, code, message))

    def refuse(self, operation: str, *, times: int | None = None, when: Callable[[Request], bool] = _always) -> None:
        """End the connection; nothing is carried out."""
        self._rules.append(_Rule(_Kind.REFUSED, operation, when, times))

    def lose_answer(self, operation: str, *, times: int = 1, when: Callable[[Request], bool] = _always) -> None:
        """Carry an operation out, and end the connection without an answer."""
        self._rules.append(_Rule(_Kind.LOST, operation, when, times))

    def garble_answer(self, operation: str, *, times: int = 1, when: Callable[[Request], bool] = _always) -> None:
        """Carry an operation out; a proxy in between answers in AWS's place."""
        self._rules.append(_Rule(_Kind.GARBLED, operation, when, times))

    def before(
        self, operation: str, call: Callable[[Request], object], *, when: Callable[[Request], bool] = _always
    ) -> None:
        """Call this, once, before an operation is carried out. It may use the double."""
        self._rules.append(_Rule(_Kind.BEFORE, operation, when, 1, call=call))

    def after(
        self, operation: str, call: Callable[[Request], object], *, when: Callable[[Request], bool] = _always
    ) -> None:
        """Call this, once, after an operation was carried out and before it is answered."""
        self._rules.append(_Rule(_Kind.AFTER, operation, when, 1, call=call))

    def price(self, instance_type: str, region: str, usd_per_hour: float) -> None:
        """Let GetProducts know what an instance costs on demand, in the form of AWS's price list."""
        attributes = {
            "instanceType": instance_type,
            "regionCode": region,
            "location": region,
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
            "licenseModel": "No License required",
            "marketoption": "OnDemand",
        }
        dimension = {"unit": "Hrs", "pricePerUnit": {"USD": f"{usd_per_hour:.10f}"}}
        term = {"priceDimensions": {"SKU.TERM.RATE": dimension}, "termAttributes": {}}
        product = {"productFamily": "Compute Instance", "sku": "SKU", "attributes": attributes}
        self._prices.append({"product": product, "serviceCode": "AmazonEC2", "terms": {"OnDemand": {"SKU.TERM": term}}})

    def asked(self, operation: str) -> list[Request]:
        """The requests for an operation so far."""
        return [request for request in self.log if request.operation == operation]

    def instance(self, instance_id: str, region: str = s3.REGION) -> Any:
        """moto's own instance; raises moto's error if there is none."""
        return self._ec2(region).get_instance(instance_id)

    def age(self, instance_id: str, seconds: float, region: str = s3.REGION) -> None:
        """Let it have been launched so much earlier."""
        self.instance(instance_id, region).launch_time -= timedelta(seconds=seconds)

    def end(self, instance_id: str, why: str = "", region: str = s3.REGION) -> None:
        """Terminate it, as when it ends by itself; `why` becomes EC2's reason for it, such as Server.InternalError."""
        instance = self.instance(instance_id, region)
        instance.terminate()
        if why:
            instance._reason = instance.state_reason.message = why

    def forget(self, instance_id: str, region: str = s3.REGION) -> None:
        """EC2 no longer knows it, as an hour after it has ended."""
        for reservation in self._ec2(region).reservations.values():
            reservation.instances[:] = [one for one in reservation.instances if one.id != instance_id]

    def image(self, image_id: str, region: str = s3.REGION) -> Any:
        """moto's own image, whose `state` a test may set."""
        return self._ec2(region).amis[image_id]

    def reset(self) -> None:
        """A new account: nothing there, no faults."""
        from moto.ec2 import ec2_backends
        from moto.moto_api._internal.models import moto_api_backend

        with self._turn:
            ec2_backends.clear()  # or the next line would first make them anew, networks, images and all
            moto_api_backend.reset()
            for memory in (self.log, self.capacity, self._rules, self._prices, self._launches):
                memory.clear()

    # -- the application -----------------------------------------------------------------------------------

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        request = understood(environ, body)
        self.log.append(request)
        self._call(_Kind.BEFORE, request)
        if self._rule(_Kind.REFUSED, request):
            _hang_up(environ)
        fault = self._rule(_Kind.ERROR, request)
        answer = error(request, fault.code, fault.message) if fault else self._carry_out(request, environ, body)
        self._call(_Kind.AFTER, request)
        if self._rule(_Kind.LOST, request):
            _hang_up(environ)
        if self._rule(_Kind.GARBLED, request):
            answer = reply(200, "text/html", "<html><body>Who are you?<br></body></html>")
        start_response(answer.status, answer.headers)
        return [answer.body]

    def _rule(self, kind: _Kind, request: Request) -> _Rule | None:
        with self._turn:
            return next((rule for rule in self._rules if rule.kind is kind and rule.takes(request)), None)

    def _call(self, kind: _Kind, request: Request) -> None:
        while rule := self._rule(kind, request):
            rule.call(request)

    def _carry_out(self, request: Request, environ: dict[str, Any], body: bytes) -> Answer:
        def moto(parameters: Mapping[str, Any] | None = None) -> Answer:
            if parameters is None:
                return forward(self.moto, environ, body)
            other = urlencode(parameters).encode()
            return forward(self.moto, {**environ, "CONTENT_LENGTH": str(len(other))}, other)

        special = {
            ("ec2", "RunInstances"): self._run_instances,
            ("ec2", "TerminateInstances"): self._terminate_instances,
            ("ec2", "CreateImage"): self._create_image,
            ("ec2", "DescribeImages"): self._describe_images,
            ("pricing", "GetProducts"): self._get_products,
        }.get((request.service, request.operation))
        if special is None:
            return moto()
        with self._turn:
            return special(request, moto)

    def _run_instances(self, request: Request, moto: _Moto) -> Answer:
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html"""
        asked, ec2 = request.parameters, self._ec2(request.region)
        zones = {one.id: one.availability_zone for one in ec2.describe_subnets()}
        subnet = asked.get("SubnetId") or asked.get("NetworkInterface.1.SubnetId")
        if subnet and subnet not in zones:
            return error(request, "InvalidSubnetID.NotFound", f"The subnet ID '{subnet}' does not exist")
        chosen = zones[subnet] if subnet else asked.get("Placement.AvailabilityZone", "")
        token = (request.region, chosen, asked.get("ClientToken", ""))
        if token[-1] and (earlier := self._launches.get(token)):
            return self._again(request, earlier)
        if asked.get("ImageId") not in ec2.amis:
            return error(request, "InvalidAMIID.NotFound", f"The image id '[{asked.get('ImageId')}]' does not exist")
        if len(base64.b64decode(asked.get("UserData", ""))) > MAX_USER_DATA:
            return error(request, "InvalidUserData.Malformed", f"User data is limited to {MAX_USER_DATA} bytes")
        least, most = int(asked["MinCount"]), int(asked["MaxCount"])
        if least > most:
            return error(request, "InvalidParameterValue", f"MinCount {least} exceeds MaxCount {most}")
        market = SPOT if asked.get("InstanceMarketOptions.MarketType") == SPOT else ON_DEMAND
        zone = chosen or f"{request.region}a"
        pool = (asked.get("InstanceType", ""), zone, market)
        count = min(most, self.capacity.get(pool, most))
        if count < least:
            return error(request, _CAPACITY, f"There is no {pool[0]} capacity in {zone} ({market})")
        answer = moto({**asked, "MinCount": count})
        if answer.good:
            ids = re.findall(r"<instanceId>([^<]+)", answer.body.decode())
            _give_profiles(ec2, ids, asked)
            if pool in self.capacity:
                self.capacity[pool] -= count
            self._launches[token] = _Launch(request.parameters, ids, answer)
        return answer

    def _again(self, request: Request, earlier: _Launch) -> Answer:
        """https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html"""
        if earlier.parameters != request.parameters:
            return error(request, "IdempotentParameterMismatch", "other parameters than in the previous request")
        ec2 = self._ec2(request.region)
        living = [row for row in ec2.all_instances() if row.id in earlier.ids and row._state.name != "terminated"]
        if not living:
            return error(request, "IdempotentInstanceTerminated", "the instances of this client token have ended")
        return earlier.answer

    def _terminate_instances(self, request: Request, moto: _Moto) -> Answer:
        """None ends if one is unknown; of zones with a protected one, none of that zone.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html
        """
        ids, known = request.values("InstanceId"), {row.id: row for row in self._ec2(request.region).all_instances()}
        odd = [one for one in ids if not re.fullmatch(r"i-([0-9a-f]{8}|[0-9a-f]{17})", one)]
        if odd:
            return error(request, "InvalidInstanceID.Malformed", f'Invalid id: "{odd[0]}"')
        if len(ids) > 1000:
            return error(request, "InvalidParameterValue", "at most 1000 instances at once")
        if any(one not in known for one in ids):
            return moto()
        protected = [known[one] for one in ids if known[one].disable_api_termination in (True, "true")]
        if not protected:
            return moto()
        zones = {row.placement.zone for row in protected}
        for one in ids:
            if known[one].placement.zone not in zones:
                known[one].terminate()
        said = f"The instance '{protected[0].id}' may not be terminated. Modify its 'disableApiTermination'"
        return error(request, "OperationNotPermitted", said)

    def _create_image(self, request: Request, moto: _Moto) -> Answer:
        """moto knows no tags for snapshots, lets two images have one name, and has images at once."""
        name, ec2 = request.parameters["Name"], self._ec2(request.region)
        if any(image.name == name and image.owner_id == ACCOUNT for image in ec2.amis.copy().values()):
            return error(request, "InvalidAMIName.Duplicate", f"AMI name {name} is already in use")
        specifications = _specifications(request.parameters)
        plain = {name: value for name, value in request.parameters.items() if not name.startswith("TagSpecification.")}
        answer = moto(plain)
        if answer.good and (found := re.search(r"<imageId>([^<]+)", answer.body.decode())):
            image = self.image(found[1], request.region)
            image.state = "pending"
            image.add_tags(specifications.get("image", {}))
            image.ebs_snapshot.add_tags(specifications.get("snapshot", {}))
        return answer

    def _describe_images(self, request: Request, moto: _Moto) -> Answer:
        answer = moto()
        for image in self._ec2(request.region).amis.copy().values():
            if image.state == "pending":
                image.state = "available"  # so the first answer says pending, and the next that it is there
        return answer

    def _get_products(self, request: Request, moto: _Moto) -> Answer:
        """Only where a price was set; else as to a user who may not ask."""
        if not self._prices:
            return error(request, "AccessDeniedException", "not authorized to perform: pricing:GetProducts")
        wanted = {row["Field"]: row["Value"] for row in request.parameters.get("Filters", ())}
        found = [row for row in self._prices if wanted.items() <= row["product"]["attributes"].items()]
        document = {"FormatVersion": "aws_v1", "PriceList": [json.dumps(row) for row in found]}
        return reply(200, "application/x-amz-json-1.1", json.dumps(document))

    def _ec2(self, region: str) -> Any:
        from moto.ec2 import ec2_backends

        return ec2_backends[ACCOUNT][region]


@dataclass(frozen=True)
class _Launch:
    parameters: Mapping[str, Any]
    ids: list[str]
    answer: Answer


_Moto = Callable[..., Answer]


@contextmanager
def serving() -> Iterator[Double]:
    """A double, served by a thread until the block ends."""
    from moto.ec2.models.amis import AmiBackend

    original, AmiBackend._load_amis = AmiBackend._load_amis, _load_images
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    everything = s3.one_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = s3.make_server("127.0.0.1", 0, everything)
    server.app = double = Double(server.app, f"http://127.0.0.1:{server.port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        AmiBackend._load_amis = original


def _load_images(ec2: Any) -> None:
    """Amazon's newest images. moto would make a thousand more, of all vendors, each with volume and snapshot."""
    from moto.ec2.models.amis import Ami
    from moto.utilities.utils import load_resource

    for row in load_resource(f"ec2/resources/latest_amis/{ec2.region_name}.json"):
        ec2.amis[row["ami_id"]] = Ami(ec2, **{**row, "owner_alias": "amazon", "creation_date": None})


def _hang_up(environ: Mapping[str, Any]) -> None:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("as the test asked")


def _give_profiles(ec2: Any, ids: list[str], asked: Mapping[str, Any]) -> None:
    """moto gives the instance profile to the first instance only."""
    arn, name = asked.get("IamInstanceProfile.Arn"), asked.get("IamInstanceProfile.Name")
    for one in ids[1:] if arn or name else ():
        ec2.associate_iam_instance_profile(one, iam_instance_profile_name=name, iam_instance_profile_arn=arn)


def _specifications(parameters: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Tags by type of resource."""
    found: dict[str, dict[str, str]] = {}
    for name, kind in parameters.items():
        if at := re.fullmatch(r"(TagSpecification\.\d+)\.ResourceType", name):
            keys = {key: value for key, value in parameters.items() if key.startswith(f"{at[1]}.Tag.")}
            found[kind] = {
                value: keys[f"{key.removesuffix('.Key')}.Value"] for key, value in keys.items() if key.endswith(".Key")
            }
    return found
