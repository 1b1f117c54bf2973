package main

import (
	"encoding/json"
	"fmt"
	"io"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// kinds are those of the Prometheus operator that we deploy.
var kinds = map[string]func() any{
	monitoring.PodMonitorsKind:    func() any { return &monitoring.PodMonitor{} },
	monitoring.PrometheusRuleKind: func() any { return &monitoring.PrometheusRule{} },
}

// manifest reads a manifest as the Prometheus operator does, and fails on a
// field that it does not know.
func manifest(text io.Reader) (any, error) {
	all, err := io.ReadAll(text)
	if err != nil {
		return nil, err
	}
	var head struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(all, &head); err != nil {
		return nil, err
	}
	kind, known := kinds[head.Kind]
	if !known {
		return nil, fmt.Errorf("the Prometheus operator has no %s", head.Kind)
	}
	if err := yaml.UnmarshalStrict(all, kind()); err != nil {
		return nil, fmt.Errorf("%s: %w", head.Kind, err)
	}
	return head.Kind, nil
}
