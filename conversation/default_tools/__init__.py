"""The tools that every agent can have without code of its own: direct functions, loaded like everybody's."""

from conversation.default_tools.ending import end_call
from conversation.default_tools.keys import send_digits
from conversation.default_tools.messages import take_message
from conversation.default_tools.recording import pause_recording, resume_recording
from conversation.default_tools.transfers import transfer_call

__all__ = ["end_call", "pause_recording", "resume_recording", "send_digits", "take_message", "transfer_call"]
