"""An account with few regions."""

from __future__ import annotations

import pytest
from double import Double

from infra.local import s3


@pytest.fixture
def regions(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto has 38, and takes a while to furnish each."""
    from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

    known = {region.name: region for region in RegionsAndZonesBackend.regions}
    monkeypatch.setattr(RegionsAndZonesBackend, "regions", [known[s3.REGION], known["eu-west-1"]])
