"""What Istio makes of its manifests for a gateway, as far as the manifests here need it: where a WasmPlugin
stands, what an EnvoyFilter inserts, and the filters of authentication and authorization. Its agent fetches
the .wasm and puts a file in its place.
"""

import json

import chain

METADATA = "envoy.filters.http.jwt_authn"
# Envoy's own.
DEFAULT_BUFFER = 1048576


def render(manifests, wasm, servers, jwks):
    """A bootstrap; `servers` gives each host's address here."""
    of = lambda kind: [manifest["spec"] for manifest in manifests if manifest["kind"] == kind]
    [hosts], [authentication], [authorization] = of("ServiceEntry"), of("RequestAuthentication"), of("AuthorizationPolicy")
    [virtual] = of("VirtualService")
    clusters = [
        chain.cluster(f"outbound|{port['number']}||{host}", servers[host])
        for host in hosts["hosts"]
        for port in hosts["ports"]
    ]
    filters = [_authentication(authentication, jwks), _authorization(authorization), chain.ROUTER]
    for plugin in of("WasmPlugin"):
        assert plugin["phase"] == "AUTHN"
        filters.insert(0, _plugin(plugin, wasm))
    routes = [_route(match, http) for http in virtual["http"] for match in http["match"]]
    listener = chain.listener("0.0.0.0_8080", DEFAULT_BUFFER, chain.manager(filters, routes))
    for extension in of("EnvoyFilter"):
        _apply(extension["configPatches"], listener, filters, wasm)
    return chain.static(listener, clusters)


def _plugin(plugin, wasm):
    text = json.dumps(plugin["pluginConfig"])
    config = {
        "name": "istio-ingress.mcp-gateway",
        "failure_policy": {"FAIL_CLOSE": "FAIL_CLOSED"}.get(plugin["failStrategy"], plugin["failStrategy"]),
        "vm_config": {"runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": wasm}}},
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text},
    }
    return {"name": config["name"], "typed_config": {"@type": f"{chain.TYPE}wasm.v3.Wasm", "config": config}}


def _apply(patches, listener, filters, wasm):
    found = {}
    for patch in patches:
        if patch["applyTo"] == "EXTENSION_CONFIG":
            value = patch["patch"]["value"]
            vm = value["typed_config"]["config"]["vm_config"]
            assert vm["code"]["remote"]["http_uri"]["uri"].startswith("oci://")
            vm["code"] = {"local": {"filename": wasm}}
            found[value["name"]] = value["typed_config"]
    for patch in patches:
        operation, value = patch["patch"]["operation"], patch["patch"]["value"]
        if patch["applyTo"] == "HTTP_FILTER":
            assert operation == "INSERT_BEFORE"
            before = patch["match"]["listener"]["filterChain"]["filter"]["subFilter"]["name"]
            at = [one["name"] for one in filters].index(before)
            if "config_discovery" in value:
                value = {"name": value["name"], "typed_config": found[value["name"]]}
            filters.insert(at, value)
        elif patch["applyTo"] == "LISTENER":
            assert operation == "MERGE"
            listener.update(value)


def _route(match, http):
    made = {"match": {"path": match["uri"]["exact"]}}
    headers = match.get("headers", {}).items()
    if headers:
        made["match"]["headers"] = [{"name": name, "string_match": how} for name, how in headers]
    made["request_headers_to_remove"] = http.get("headers", {}).get("request", {}).get("remove", [])
    if "directResponse" in http:
        made["direct_response"] = http["directResponse"]
    else:
        [to] = http["route"]
        name = f"outbound|{to['destination']['port']['number']}||{to['destination']['host']}"
        made["route"] = {"cluster": name, "timeout": http.get("timeout", "0s")}
    return made


def _authentication(spec, jwks):
    providers = {
        f"origins-{i}": chain.provider(
            rule["issuer"], rule["audiences"], jwks, forward=True, payload_in_metadata="payload"
        )
        for i, rule in enumerate(spec["jwtRules"])
    }
    # A request without a token passes.
    one_of = [{"provider_name": name} for name in providers] + [{"allow_missing": {}}]
    config = {
        "@type": f"{chain.TYPE}jwt_authn.v3.JwtAuthentication",
        "providers": providers,
        "rules": [{"match": {"prefix": "/"}, "requires": {"requires_any": {"requirements": one_of}}}],
    }
    return {"name": "envoy.filters.http.jwt_authn", "typed_config": config}


def _authorization(spec):
    policies = {f"rule[{i}]": _rule(rule) for i, rule in enumerate(spec["rules"])}
    config = {"@type": f"{chain.TYPE}rbac.v3.RBAC", "rules": {"action": spec["action"], "policies": policies}}
    return {"name": "envoy.filters.http.rbac", "typed_config": config}


def _rule(rule):
    permissions, principals = [], []
    for source in rule["from"]:
        [issuer] = source["source"]["requestPrincipals"]
        principals.append(_claim("iss", {"exact": issuer.removesuffix("/*")}))
    for when in rule["when"]:
        key, values = when["key"], [{"exact": value} for value in when["values"]]
        name = key[key.index("[") + 1 : -1]
        if key.startswith("request.headers"):
            permissions.append({"or_rules": {"rules": [{"header": {"name": name, "string_match": value}} for value in values]}})
        else:
            principals.append({"or_ids": {"ids": [_claim(name, value) for value in values]}})
    return {
        "permissions": [{"and_rules": {"rules": permissions or [{"any": True}]}}],
        "principals": [{"and_ids": {"ids": principals}}],
    }


def _claim(name, value):
    return {"metadata": {"filter": METADATA, "path": [{"key": "payload"}, {"key": name}], "value": {"string_match": value}}}
