//go:build tools

// What is built here; go.mod and go.sum pin all that it is made of.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
)
