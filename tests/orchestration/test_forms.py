"""What the Prefect UI makes forms of. PostgreSQL keeps a schema's keys in no order: it goes by `position`."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from pagemill.orchestration.deploy.parameters import DeployParameters
from pagemill.orchestration.parameters import OcrBatchParameters


@pytest.mark.parametrize("parameters", [OcrBatchParameters, DeployParameters])
def test_a_form_has_its_fields_in_order_wherever_it_is_kept_and_each_says_what_it_is(
    parameters: type[BaseModel],
) -> None:
    properties = parameters.model_json_schema()["properties"]

    assert [field["position"] for field in properties.values()] == list(range(len(properties)))
    assert all(field["description"] for field in properties.values())
    assert all(field.get("title") or field["$ref"] for field in properties.values())  # an enum's is its class's name
