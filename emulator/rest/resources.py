"""What of an account is answered: Twilio's countries, and Telnyx's numbers, applications, connections and profiles.

Sources: Twilio's OpenAPI file voice_v1; the published client library's types (telnyx 4.189).
"""

from __future__ import annotations

from typing import Any

from emulator.account import Application, Country, OwnNumber, VoiceProfile


def country(one: Country) -> dict[str, Any]:
    """What Twilio lets the account dial in a country."""
    return {
        "iso_code": one.iso,
        "name": one.name,
        "continent": one.continent,
        "country_codes": [one.code],
        "low_risk_numbers_enabled": one.enabled,
        "high_risk_special_numbers_enabled": False,
        "high_risk_tollfraud_numbers_enabled": False,
        "url": f"https://voice.twilio.com/v1/DialingPermissions/Countries/{one.iso}",
        "links": {},
    }


def phone_number(own: OwnNumber) -> dict[str, Any]:
    """A number of Telnyx."""
    return {
        "id": own.number.removeprefix("+"),
        "record_type": "phone_number",
        "phone_number": own.number,
        "status": own.state,
        "connection_id": own.application or None,
        "connection_name": "Emulated" if own.application else None,
    }


def number_with_settings(own: OwnNumber) -> dict[str, Any]:
    """A number's settings for calls."""
    return {
        "id": own.number.removeprefix("+"),
        "record_type": "voice_settings",
        "phone_number": own.number,
        "connection_id": own.application or None,
        "translated_number": "",
        "call_forwarding": {
            "call_forwarding_enabled": True,  # documented default; without a number nothing is forwarded
            "forwards_to": own.forwards_to or None,
            "forwarding_type": own.forwarding if own.forwards_to else None,
        },
    }


def _outbound(application: Application) -> dict[str, Any]:
    return {"channel_limit": None, "outbound_voice_profile_id": application.profile or None}


def texml_application(application: Application) -> dict[str, Any]:
    """A TeXML application."""
    return {
        "id": application.id,
        "record_type": "texml_application",
        "active": application.active,
        "friendly_name": "Emulated",
        "voice_url": application.url or None,
        "voice_method": application.method.lower(),
        "voice_fallback_url": application.fallback or None,
        "status_callback": application.status or None,
        "status_callback_method": application.status_method.lower(),
        "outbound": _outbound(application),
    }


def voice_application(application: Application) -> dict[str, Any]:
    """A Voice API application."""
    return {
        "id": application.id,
        "record_type": "call_control_application",
        "active": application.active,
        "application_name": "Emulated",
        "webhook_event_url": application.url or None,
        "webhook_event_failover_url": application.fallback or None,
        "webhook_api_version": application.api_version,
        "outbound": _outbound(application),
    }


def connection(application: Application) -> dict[str, Any]:
    """What every connection has, whatever its kind."""
    records = {"texml": "texml_application", "call_control": "call_control_application"}
    return {
        "id": application.id,
        "record_type": records.get(application.kind, application.kind),
        "active": application.active,
        "connection_name": "Emulated",
        "outbound_voice_profile_id": application.profile or None,
        "webhook_api_version": application.api_version,
        "webhook_event_url": application.url or None,
        "webhook_event_failover_url": application.fallback or None,
    }


def voice_profile(profile: VoiceProfile) -> dict[str, Any]:
    """An outbound voice profile."""
    return {
        "id": profile.id,
        "record_type": "outbound_voice_profile",
        "name": "Emulated",
        "enabled": profile.enabled,
        "whitelisted_destinations": list(profile.countries),
        "traffic_type": "conversational",
        "service_plan": "global",
        "concurrent_call_limit": None,
    }
