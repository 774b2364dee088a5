//! The cluster under test. The tests use it through kubectl.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

const WITHIN: Duration = Duration::from_secs(180);
const POLL_EVERY: Duration = Duration::from_millis(200);

/// The Gateway and the MCPGateway of the tests. The GatewayClass belongs to Envoy Gateway.
const GATEWAY: &str = include_str!("gateway.yaml");

/// The cluster. Only one test has it at a time, since a controller watches the whole
/// cluster.
pub(crate) struct Cluster {
    _alone: MutexGuard<'static, ()>,
}

impl Cluster {
    /// The cluster with the CRDs, a Gateway and an MCPGateway, and nothing else.
    pub(crate) fn new() -> Self {
        let cluster = Self::without_gateway();
        cluster.apply(GATEWAY);
        cluster
    }

    /// The cluster with the CRDs only.
    pub(crate) fn without_gateway() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = Self { _alone: alone };
        for file in ["mcpgateways.yaml", "mcpservers.yaml"] {
            let path = format!("{}/deploy/crds/{file}", env!("CARGO_MANIFEST_DIR"));
            cluster.ok(&["apply", "--server-side", "-f", &path]);
        }
        cluster.ok(&[
            "wait",
            "--for=condition=Established",
            "--timeout=120s",
            "crd/mcpservers.mcp.kagenti.com",
            "crd/mcpgateways.mcp.kagenti.com",
        ]);
        // Removes what the previous test has left. No controller runs now that would remove
        // the finalizers, so the test removes them. Otherwise the deletion would not end.
        for gateway in cluster.items("mcpgateways") {
            let (namespace, name) = (
                text(&gateway, "/metadata/namespace"),
                text(&gateway, "/metadata/name"),
            );
            let none = r#"{"metadata":{"finalizers":null}}"#;
            cluster.ok(&[
                "patch",
                "mcpgateway",
                name,
                "-n",
                namespace,
                "--type=merge",
                "-p",
                none,
            ]);
        }
        cluster.ok(&["delete", "mcpservers,mcpgateways", "-A", "--all"]);
        for namespace in ["infra", "team", "proxies"] {
            cluster.ok(&["delete", "namespace", namespace, "--ignore-not-found"]);
        }
        cluster
    }

    /// Deletes the MCPGateway of the tests, and waits until the controller has deleted all
    /// objects that it has written.
    pub(crate) fn delete_gateway(&self) {
        self.ok(&[
            "delete",
            "mcpgateway",
            "mcp",
            "-n",
            "infra",
            "--timeout=120s",
        ]);
        until("nothing is left", || {
            self.written().is_empty().then_some(())
        });
    }

    pub(crate) fn kubectl(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new("kubectl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl");
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs kubectl, expects that it succeeds, and returns its output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.kubectl(arguments, "");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn apply(&self, manifests: &str) {
        let output = self.kubectl(
            &["apply", "--server-side", "--validate=strict", "-f", "-"],
            manifests,
        );
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The error with which the API server refuses `manifest`.
    pub(crate) fn refused(&self, manifest: &str) -> String {
        let output = self.kubectl(
            &["apply", "--dry-run=server", "--validate=strict", "-f", "-"],
            manifest,
        );
        assert!(
            !output.status.success(),
            "the API server accepts {manifest}"
        );
        String::from_utf8(output.stderr).unwrap()
    }

    pub(crate) fn get(&self, kind: &str, name: &str, namespace: &str) -> Option<Value> {
        let text = self.ok(&[
            "get",
            kind,
            name,
            "-n",
            namespace,
            "--ignore-not-found",
            "-o",
            "json",
        ]);
        serde_json::from_str(&text).ok()
    }

    pub(crate) fn items(&self, kind: &str) -> Vec<Value> {
        let text = self.ok(&["get", kind, "-A", "-o", "json"]);
        let list: Value = serde_json::from_str(&text).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// The objects that the controller has written, as `Kind namespace/name`.
    pub(crate) fn written(&self) -> Vec<String> {
        let kinds = "httproutes,referencegrants,backendtlspolicies,backends,backendtrafficpolicies,clienttrafficpolicies,envoyextensionpolicies,envoypatchpolicies,envoyproxies,httproutefilters,securitypolicies,configmaps,secrets,services,deployments";
        let label = "app.kubernetes.io/managed-by=mcp-gateway";
        let json = self.ok(&["get", kinds, "-A", "-l", label, "-o", "json"]);
        let list: Value = serde_json::from_str(&json).unwrap();
        let name = |it: &Value| {
            format!(
                "{} {}/{}",
                text(it, "/kind"),
                text(it, "/metadata/namespace"),
                text(it, "/metadata/name")
            )
        };
        let mut all: Vec<String> = list["items"].as_array().unwrap().iter().map(name).collect();
        all.sort();
        all
    }

    /// Waits until the condition `kind` of a server in the namespace `team` fulfils
    /// `is_wanted`, and returns it.
    pub(crate) fn condition(
        &self,
        server: &str,
        kind: &str,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        self.condition_of("mcpserver", server, "team", kind, is_wanted)
    }

    pub(crate) fn condition_of(
        &self,
        of: &str,
        name: &str,
        namespace: &str,
        kind: &str,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let what = format!("{of} {namespace}/{name} {kind}");
        until(&what, || {
            let object = self.get(of, name, namespace)?;
            let conditions = object["status"]["conditions"].as_array()?.clone();
            let condition = conditions.into_iter().find(|it| it["type"] == kind)?;
            is_wanted(&condition).then_some(condition)
        })
    }

    /// The lines of the audit log: all writes to the API server so far.
    pub(crate) fn writes(&self) -> Vec<Value> {
        let log = fs::read_to_string(beside("audit.log")).expect("audit.log beside KUBECONFIG");
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}

/// The text at `pointer`, or an empty text if there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The path of a file in the folder of the administrator's kubeconfig.
pub(crate) fn beside(name: &str) -> PathBuf {
    let configuration = env::var("KUBECONFIG").expect("KUBECONFIG");
    Path::new(&configuration).with_file_name(name)
}

/// Calls `ready` until it returns a value, and returns this value.
pub(crate) fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(started.elapsed() < WITHIN, "{what}: not in time");
        sleep(POLL_EVERY);
    }
}
