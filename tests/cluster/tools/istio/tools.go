//go:build tools

// What is built here; go.mod and go.sum pin all that it is made of.
package tools

import (
	_ "istio.io/istio/pilot/cmd/pilot-discovery"
	_ "istio.io/istio/pilot/cmd/pilot-agent"
)
