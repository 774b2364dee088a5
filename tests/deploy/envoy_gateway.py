"""What Envoy Gateway makes of its manifests, as far as the manifests here need it: the order of filters
(internal/xds/translator/httpfilters.go), a Wasm filter that is off but on the routes of its policy
(wasm.go), names of clusters and listeners, and JSON patches.
"""

import json

from jsonpath_ng.ext import parse

import chain

ORDER = ["cors", "ext_authz", "jwt_authn", "wasm", "rbac", "router"]
DEFAULT_BUFFER = 32768
UNITS = {"Ki": 1024, "Mi": 1024**2}


class Invalid(Exception):
    """Envoy Gateway would say so in the status of a manifest."""


def render(manifests, wasm, servers, jwks):
    """A bootstrap; `servers` gives each host's address here."""
    of = lambda kind: [manifest for manifest in manifests if manifest["kind"] == kind]
    [gateway], [extension], [security] = of("Gateway"), of("EnvoyExtensionPolicy"), of("SecurityPolicy")
    namespace = gateway["metadata"]["namespace"]
    names = {(m["kind"], m["metadata"]["name"]): m for m in manifests}
    plugin = extension["spec"]["wasm"][0]
    where = f"envoyextensionpolicy/{namespace}/{extension['metadata']['name']}/wasm/0"
    on = {f"envoy.filters.http.wasm/{where}": {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}}}
    on |= _security_of_route(security["spec"])

    routes, clusters = [], []
    for route in of("HTTPRoute"):
        for i, rule in enumerate(route["spec"]["rules"]):
            name = f"httproute/{namespace}/{route['metadata']['name']}/rule/{i}"
            for backend in rule.get("backendRefs", []):
                [endpoint] = names[backend["kind"], backend["name"]]["spec"]["endpoints"]
                # What is sent to no server must not leave this machine.
                server = servers[endpoint["fqdn"]["hostname"]] if "fqdn" in endpoint else ("127.0.0.1", 9)
                clusters.append(chain.cluster(name, server))
            routes += [_route(match, rule, name, on) for match in rule["matches"]]
    for policy in of("BackendTrafficPolicy"):
        retry = policy["spec"]["retry"]
        on_failure = {"retry_on": ",".join(retry["retryOn"]["triggers"]), "num_retries": retry["numRetries"]}
        for route in routes:
            route["route"]["retry_policy"] = on_failure
    # The more headers a match has, the earlier it is tried.
    routes.sort(key=lambda route: -len(route["match"].get("headers", [])))

    filters = [_wasm(plugin, where, wasm), *_security(security["spec"], jwks), chain.ROUTER]
    filters.sort(key=lambda one: ORDER.index(one["name"].split("/")[0].removeprefix("envoy.filters.http.")))
    [proxy] = of("EnvoyProxy")
    for moved in proxy["spec"].get("filterOrder", []):
        _move(filters, moved)
    buffer = DEFAULT_BUFFER
    for policy in of("ClientTrafficPolicy"):
        limit = policy["spec"]["connection"]["bufferLimit"]
        buffer = int(limit[:-2]) * UNITS[limit[-2:]]
    [port] = gateway["spec"]["listeners"]
    name = f"{namespace}/{gateway['metadata']['name']}/{port['name']}"
    listener = chain.listener(name, buffer, chain.manager(filters, routes), "default_filter_chain")
    for policy in of("EnvoyPatchPolicy"):
        for patch in policy["spec"]["jsonPatches"]:
            _patch(listener, patch)
    return chain.static(listener, clusters)


def _wasm(plugin, where, wasm):
    code = plugin["code"]
    if (code["type"] == "HTTP") != ("http" in code) or (code["type"] == "Image") != ("image" in code):
        raise Invalid(f"code is {code}")
    vm = {"vm_id": where, "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": wasm}}}
    if keys := plugin.get("env", {}).get("hostKeys"):
        vm["environment_variables"] = {"host_env_keys": keys}
    text = json.dumps(plugin["config"])
    config = {
        "name": plugin["name"],
        "vm_config": vm,
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text},
    }
    if plugin.get("failOpen"):
        config["fail_open"] = True
    typed = {"@type": f"{chain.TYPE}wasm.v3.Wasm", "config": config}
    return {"name": f"envoy.filters.http.wasm/{where}", "disabled": True, "typed_config": typed}


def _route(match, rule, name, on):
    assert match["path"]["type"] == "Exact"
    made = {"match": {"path": match["path"]["value"]}, "typed_per_filter_config": on}
    if headers := match.get("headers"):
        made["match"]["headers"] = [{"name": h["name"], "string_match": {"exact": h["value"]}} for h in headers]
    for changed in rule.get("filters", []):
        made["request_headers_to_remove"] = changed["requestHeaderModifier"]["remove"]
    made["route"] = {"cluster": name}
    if "timeouts" in rule:
        made["route"]["timeout"] = rule["timeouts"]["request"]
    return made


def _security(spec, jwks):
    providers = {
        one["name"]: chain.provider(
            one["issuer"], one["audiences"], jwks, forward=True, payload_in_metadata=one["name"]
        )
        for one in spec["jwt"]["providers"]
    }
    [name] = providers
    authn = {
        "@type": f"{chain.TYPE}jwt_authn.v3.JwtAuthentication",
        "providers": providers,
        "requirement_map": {"all": {"provider_name": name}},
    }
    made = [
        {"name": "envoy.filters.http.jwt_authn", "typed_config": authn},
        {"name": "envoy.filters.http.rbac", "typed_config": {"@type": f"{chain.TYPE}rbac.v3.RBAC"}},
    ]
    if "cors" in spec:
        made.append({"name": "envoy.filters.http.cors", "typed_config": {"@type": f"{chain.TYPE}cors.v3.Cors"}})
    return made


def _security_of_route(spec):
    rules = spec["authorization"]
    on = {
        "envoy.filters.http.jwt_authn": {
            "@type": f"{chain.TYPE}jwt_authn.v3.PerRouteConfig",
            "requirement_name": "all",
        },
        "envoy.filters.http.rbac": {
            "@type": f"{chain.TYPE}rbac.v3.RBACPerRoute",
            "rbac": {"matcher": {"matcher_list": {"matchers": [_rule(rule) for rule in rules["rules"]]}, "on_no_match": _action(rules["defaultAction"])}},
        },
    }
    if cors := spec.get("cors"):
        on["envoy.filters.http.cors"] = {
            "@type": f"{chain.TYPE}cors.v3.CorsPolicy",
            "allow_origin_string_match": [{"exact": origin} for origin in cors["allowOrigins"]],
            "allow_methods": ", ".join(cors["allowMethods"]),
            "allow_headers": ", ".join(cors["allowHeaders"]),
            "expose_headers": ", ".join(cors["exposeHeaders"]),
        }
    return on


def _action(action):
    typed = {"@type": "type.googleapis.com/envoy.config.rbac.v3.Action", "name": action, "action": action.upper()}
    return {"action": {"name": action, "typed_config": typed}}


def _rule(rule):
    """All kinds of principals must fit, and one value of each."""
    one = []
    for header in rule["principal"].get("headers", []):
        typed = {"@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": header["name"]}
        source = {"name": "http_header", "typed_config": typed}
        one.append(_any([{"input": source, "value_match": {"exact": value}} for value in header["values"]]))
    jwt = rule["principal"].get("jwt", {"claims": []})
    for claim in jwt["claims"]:
        typed = {
            "@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput",
            "filter": "envoy.filters.http.jwt_authn",
            "path": [{"key": jwt["provider"]}, {"key": claim["name"]}],
        }
        matcher = "type.googleapis.com/envoy.extensions.matching.input_matchers.metadata.v3.Metadata"
        custom = lambda value: {"name": "claim", "typed_config": {"@type": matcher, "value": {"string_match": {"exact": value}}}}
        source = {"name": "claim", "typed_config": typed}
        one.append(_any([{"input": source, "custom_match": custom(value)} for value in claim["values"]]))
    predicate = one[0] if len(one) == 1 else {"and_matcher": {"predicate": one}}
    return {"predicate": predicate, "on_match": _action(rule["action"])}


def _any(predicates):
    singles = [{"single_predicate": predicate} for predicate in predicates]
    return singles[0] if len(singles) == 1 else {"or_matcher": {"predicate": singles}}


def _move(filters, moved):
    of = lambda name: [one for one in filters if one["name"].startswith(name)]
    ours = of(moved["name"])
    if found := of(moved.get("before") or moved["after"]):
        for one in ours:
            filters.remove(one)
        at = filters.index(found[0]) if "before" in moved else filters.index(found[-1]) + 1
        filters[at:at] = ours


def _patch(listener, patch):
    operation = patch["operation"]
    if patch["type"] != "type.googleapis.com/envoy.config.listener.v3.Listener" or patch["name"] != listener["name"]:
        raise Invalid(f"there is no {patch['name']}")
    found = parse(operation["jsonPath"]).find(listener)
    if not found:
        raise Invalid(f"{operation['jsonPath']} finds nothing")
    assert operation["op"] == "add"
    for one in found:
        one.value[operation["path"].removeprefix("/")] = operation["value"]
