//! Manifests for stock Envoy in Kubernetes, without a control plane: a
//! Deployment, a Service, and the configuration as a ConfigMap.

use super::Manifests;
use super::envoy::{self, Options};
use super::servers::keys;
use crate::place::Place;
use crate::source::Source;
use crate::yaml::scalar;

/// The files of one folder; `kustomization.yaml` makes the ConfigMap.
///
/// # Errors
/// As [`envoy::render`].
pub(crate) fn render(
    source: &Source,
    places: &[Place],
    options: &Options,
    to: &Manifests,
) -> Result<Vec<(&'static str, String)>, String> {
    let options = Options {
        address: "0.0.0.0".to_owned(),
        wasm: "/filter/plugin.wasm".to_owned(),
        ..options.clone()
    };
    Ok(vec![
        ("envoy.yaml", envoy::render(source, places, &options)?),
        ("deployment.yaml", deployment(source, options.port, to)),
    ])
}

fn deployment(source: &Source, port: u16, to: &Manifests) -> String {
    let env = match keys(source) {
        Some(name) => format!(
            "        env:
        - name: {}
          valueFrom: {{ secretKeyRef: {{ name: mcp-session-keys, key: keys }} }}
",
            scalar(name)
        ),
        None => String::new(),
    };
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: mcp-gateway
spec:
  replicas: 1
  selector:
    matchLabels: {{ app: mcp-gateway }}
  template:
    metadata:
      labels: {{ app: mcp-gateway }}
    spec:
      containers:
      - name: envoy
        image: envoyproxy/envoy:v1.36-latest
        args: [-c, /etc/envoy/envoy.yaml, -l, warn]
{env}        ports:
        - {{ name: http, containerPort: {port} }}
        readinessProbe:
          tcpSocket: {{ port: http }}
        volumeMounts:
        - {{ name: configuration, mountPath: /etc/envoy }}
        - {{ name: filter, mountPath: /filter }}
      volumes:
      - name: configuration
        configMap: {{ name: mcp-gateway }}
      # Kubernetes 1.33 and later; before, copy plugin.wasm in an init container.
      - name: filter
        image: {{ reference: {image} }}
---
apiVersion: v1
kind: Service
metadata:
  name: mcp-gateway
spec:
  selector: {{ app: mcp-gateway }}
  ports:
  - {{ name: http, port: {port}, targetPort: http }}
",
        image = scalar(&to.image)
    )
}
