package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// named is one series that a query asks for.
type named struct {
	Query  string `json:"query"`
	Metric string `json:"metric"`
	// The labels it is chosen and grouped by.
	Labels []string `json:"labels"`
}

// names lists what each of these queries asks for.
func names(queries io.Reader) ([]named, error) {
	var list []string
	if err := json.NewDecoder(queries).Decode(&list); err != nil {
		return nil, fmt.Errorf("read the queries: %w", err)
	}
	found := []named{}
	for _, query := range list {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", query, err)
		}
		parser.Inspect(expr, func(node parser.Node, above []parser.Node) error {
			selector, is := node.(*parser.VectorSelector)
			if !is {
				return nil
			}
			one := named{Query: query, Metric: selector.Name, Labels: []string{}}
			for _, matcher := range selector.LabelMatchers {
				if matcher.Name != model.MetricNameLabel {
					one.Labels = add(one.Labels, matcher.Name)
				}
			}
			for _, parent := range above {
				if sum, is := parent.(*parser.AggregateExpr); is && !sum.Without {
					for _, label := range sum.Grouping {
						one.Labels = add(one.Labels, label)
					}
				}
			}
			found = append(found, one)
			return nil
		})
	}
	return found, nil
}
