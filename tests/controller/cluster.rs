//! The cluster under test, by kubectl.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

const WITHIN: Duration = Duration::from_secs(60);
const POLL_EVERY: Duration = Duration::from_millis(200);

/// The gateway of the tests, of Envoy Gateway.
const GATEWAY: &str = include_str!("gateway.yaml");

/// The cluster, for one test at a time: the controller looks at all of it.
pub(crate) struct Cluster {
    _alone: MutexGuard<'static, ()>,
}

impl Cluster {
    /// The cluster with the definitions, a Gateway and an MCPGateway, and nothing else.
    pub(crate) fn new() -> Self {
        let cluster = Self::without_gateway();
        cluster.apply(GATEWAY);
        cluster
    }

    /// The cluster with the definitions.
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
            "crd/mcpservers.mcp.kagenti.com",
            "crd/mcpgateways.mcp.kagenti.com",
        ]);
        // What the test before has left.
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

    /// Deletes the MCPGateway of the tests, and waits until nothing is left of it.
    pub(crate) fn delete_gateway(&self) {
        self.ok(&[
            "delete",
            "mcpgateway",
            "mcp",
            "-n",
            "infra",
            "--timeout=30s",
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

    /// What kubectl prints.
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

    /// Why the API server refuses `manifest`.
    pub(crate) fn refused(&self, manifest: &str) -> String {
        let output = self.kubectl(
            &["apply", "--dry-run=server", "--validate=strict", "-f", "-"],
            manifest,
        );
        assert!(!output.status.success(), "taken: {manifest}");
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
        let kinds = "httproutes,referencegrants,backendtlspolicies,backends,backendtrafficpolicies,clienttrafficpolicies,envoyextensionpolicies,envoypatchpolicies,envoyproxies,securitypolicies,configmaps,secrets,services,deployments";
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

    /// The condition `kind` of a server in the namespace `team`, as soon as `is_wanted`.
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

    /// The lines of the audit log: all writes so far.
    pub(crate) fn writes(&self) -> Vec<Value> {
        let log = fs::read_to_string(beside("audit.log")).expect("audit.log beside KUBECONFIG");
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}

/// The text at `pointer`; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A file beside the configuration of the administrator.
pub(crate) fn beside(name: &str) -> PathBuf {
    let configuration = env::var("KUBECONFIG").expect("KUBECONFIG");
    Path::new(&configuration).with_file_name(name)
}

/// What `ready` gives, as soon as it gives something.
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
