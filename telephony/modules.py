"""The modules Asterisk loads, by their families. What is not here cannot be reached from outside."""

FAMILIES = {
    "res_": (
        "timing_timerfd sorcery_config sorcery_memory sorcery_astdb stasis websocket_client http_websocket ari ari_model "
        "ari_asterisk crypto pjproject rtp_asterisk srtp speech agi musiconhold security_log format_attr_opus cdrel_custom "
        "pjsip"
    ),
    "res_pjsip_": (
        "session sdp_rtp registrar pubsub authenticator_digest endpoint_identifier_user endpoint_identifier_ip caller_id "
        "acl nat rfc3326 logger transport_websocket header_funcs outbound_authenticator_digest outbound_registration"
    ),
    "": "chan_pjsip pbx_config pbx_loopback cel_custom cel_manager",
    "app_": (
        "dial queue playback record read mixmonitor chanspy confbridge bridgewait bridgeaddchan stack originate echo exec "
        "verbose userevent senddtmf playtones milliwatt while"
    ),
    "func_": (
        "callerid channel cut strings logic hangupcause timeout pjsip_contact pjsip_endpoint devstate global math uri "
        "periodic_hook groupcount env uuid"
    ),
    "bridge_": "simple native_rtp softmix holding builtin_features",
    "codec_": "ulaw alaw resample",
    "format_": "pcm wav sln",
}

# Debian's Opus goes by the first name, the one from Asterisk's makers by the second.
OPUS = ("codec_opus_open_source", "codec_opus")


def module_names() -> list[str]:
    """All modules but Opus, which has two names, in the order they load."""
    return [family + name for family, names in FAMILIES.items() for name in names.split()]
