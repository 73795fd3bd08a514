"""The door of ModelService: what a grade by a model can be computed again from."""

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from credit_service.api import wire
from credit_service.api.calls import Call
from credit_service.api.house import House
from credit_service.errors import CreditError, Reason, shown
from credit_service.v1 import models_pb2 as pb


class ModelDoor:
    """Shows the models that grade."""

    def __init__(self, house: House) -> None:
        """Takes what the doors share."""
        self.house = house

    def GetModel(self, request: pb.GetModelRequest, _call: Call) -> pb.GetModelResponse:
        """Returns the files behind a score."""
        model_id = wire.plain_text("model_id", request.model_id)
        artefact = next((a for a in self.house.models if a.scorecard.model_id == model_id), None)
        if artefact is None:
            want = f"one of {', '.join(sorted(a.scorecard.model_id for a in self.house.models))}"
            raise CreditError(Reason.MODEL_NOT_FOUND, f"model_id: got {shown(model_id)}, want {want}")
        return pb.GetModelResponse(
            files=[pb.ModelFile(name=name, content=content) for name, content in artefact.replayed.items()],
            key_id=artefact.key_id,
            public_key=artefact.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        )
