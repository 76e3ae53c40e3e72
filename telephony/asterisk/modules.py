"""The modules Asterisk loads, by their families. What is not here cannot be reached from outside.

res_pjsip_caller_id is not: it puts a stranger's name and number into the channel, and so into AMI, AGI and the records. The
dialplan reads the number by itself, through a filter. The last four of res_pjsip answer what carriers send in a call: keys
as INFO, INFO without content, OPTIONS and MESSAGE. No packaged module answers NOTIFY, nor INFO of any other content.
"""

FAMILIES = {
    "res_": (
        "timing_timerfd sorcery_config sorcery_memory sorcery_astdb stasis websocket_client http_websocket ari ari_model "
        "ari_asterisk crypto pjproject rtp_asterisk srtp speech agi musiconhold security_log format_attr_opus cdrel_custom "
        "pjsip"
    ),
    "res_pjsip_": (
        "session sdp_rtp registrar pubsub authenticator_digest endpoint_identifier_user endpoint_identifier_ip acl nat "
        "rfc3326 logger transport_websocket header_funcs outbound_authenticator_digest outbound_registration dtmf_info "
        "empty_info dlg_options messaging"
    ),
    "": "chan_pjsip pbx_config pbx_loopback cel_custom",
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
