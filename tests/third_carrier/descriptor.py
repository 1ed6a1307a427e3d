"""What the product knows of Larkline."""

from carriers.carrier import MARKUP
from carriers.descriptor import CarrierDescriptor
from carriers.forms import JSON_TYPE
from tests.third_carrier.carrier import SIGNATURE_HEADER, LarklineCarrier, stream
from tests.third_carrier.variables import LarklineVariables


class Larkline(CarrierDescriptor[LarklineVariables]):
    name = "larkline"
    title = "Larkline"
    variables = LarklineVariables
    rank = 3
    signature_header = SIGNATURE_HEADER
    callback_type = JSON_TYPE
    callback_status = 202
    document_type = "application/json"
    verified_by = "LARKLINE_SIGNING_SECRET"
    credentials = "LARKLINE_KEY"
    cloud_bin = "a Larkline flow and choose it for your number"
    api_host = "api.larkline.example"

    def carrier(self, settings, mode=MARKUP):
        return LarklineCarrier(settings)

    def can_act(self, settings):
        return settings.larkline_key is not None

    def has_account(self, settings):
        return settings.larkline_key is not None

    def is_mentioned(self, settings):
        return bool(settings.larkline_key or settings.larkline_signing_secret)

    def secrets(self, settings):
        return [settings.larkline_key] if settings.larkline_key else []

    def notes(self, settings):
        if settings.larkline_key and not settings.larkline_signing_secret:
            return [
                "LARKLINE_SIGNING_SECRET is not set: Larkline's callbacks are refused; copy it from the console"
            ]
        return []

    def console_lines(self, ours):
        return ["Paste into a Larkline number:", f"  Answer {ours.voice}", f"  Ended {ours.status}"]

    def cloud_document(self, host, agent):
        return stream(*self.cloud_stream(host, agent))


CARRIER = Larkline()
