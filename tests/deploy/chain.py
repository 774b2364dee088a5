"""Pieces of Envoy's configuration that both control planes make, with ports of this machine."""

import json

TYPE = "type.googleapis.com/envoy.extensions.filters.http."
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{TYPE}router.v3.Router"}}


def static(listener, clusters):
    return {
        "admin": {"address": _address("127.0.0.1", 0)},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


def _address(host, port):
    return {"socket_address": {"address": host, "port_value": port}}


def listener(name, buffer, manager, chain="filter_chains"):
    filters = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {
        "name": name,
        "address": _address("127.0.0.1", 0),
        "per_connection_buffer_limit_bytes": buffer,
        chain: [filters] if chain == "filter_chains" else filters,
    }


def manager(http_filters, routes, **more):
    hosts = [{"name": "all", "domains": ["*"], "routes": routes}]
    return {
        "@type": HCM,
        "stat_prefix": "http",
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "http_filters": http_filters,
        "route_config": {"virtual_hosts": hosts},
        **more,
    }


def cluster(name, server):
    host, port = server
    endpoint = {"endpoint": {"address": _address(host, port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def provider(issuer, audiences, jwks, **more):
    """What both make of a provider; its keys are here and not fetched."""
    local = {"inline_string": json.dumps(jwks)}
    return {"issuer": issuer, "audiences": audiences, "local_jwks": local, **more}
