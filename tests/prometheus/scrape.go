package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// scraped is what a scrape holds.
type scraped struct {
	// Families by their names as declared, with their types.
	Families map[string]string `json:"families"`
	// The names of a family's series with the labels that they have.
	Series map[string][]string `json:"series"`
	// How many series there are.
	Count int `json:"count"`
	// The values of each label.
	Labels map[string][]string `json:"labels"`
	// What the linter has to say.
	Problems []string `json:"problems"`
}

// classic reads Prometheus' text format with the parser of its client library,
// and asks the linter that `promtool check metrics` asks.
func classic(scrape []byte) (*scraped, error) {
	strict := expfmt.NewTextParser(model.LegacyValidation)
	families, err := strict.TextToMetricFamilies(bytes.NewReader(scrape))
	if err != nil {
		return nil, fmt.Errorf("the text format is broken: %w", err)
	}
	for name, family := range families {
		if family.GetHelp() == "" {
			return nil, fmt.Errorf("%s has no help", name)
		}
	}
	found, err := read(textparse.NewPromParser(scrape, labels.NewSymbolTable(), false))
	if err != nil {
		return nil, err
	}
	problems, err := promlint.New(bytes.NewReader(scrape)).Lint()
	if err != nil {
		return nil, fmt.Errorf("lint: %w", err)
	}
	for _, problem := range problems {
		found.Problems = append(found.Problems, problem.Metric+": "+problem.Text)
	}
	return found, nil
}

// openmetrics reads OpenMetrics with the parser of Prometheus' scraper.
func openmetrics(scrape []byte) (*scraped, error) {
	return read(textparse.NewOpenMetricsParser(scrape, labels.NewSymbolTable()))
}

func read(parser textparse.Parser) (*scraped, error) {
	found := &scraped{
		Families: map[string]string{},
		Series:   map[string][]string{},
		Labels:   map[string][]string{},
		Problems: []string{},
	}
	seen := map[string]bool{}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the format is broken: %w", err)
		}
		switch entry {
		case textparse.EntryType:
			name, kind := parser.Type()
			found.Families[string(name)] = string(kind)
		case textparse.EntrySeries:
			var series labels.Labels
			parser.Labels(&series)
			key := series.String()
			if seen[key] {
				return nil, fmt.Errorf("%s is there twice", key)
			}
			seen[key] = true
			found.take(series)
		}
	}
}

func (found *scraped) take(series labels.Labels) {
	found.Count++
	name := series.Get(model.MetricNameLabel)
	if found.Series[name] == nil {
		found.Series[name] = []string{}
	}
	series.Range(func(label labels.Label) {
		if label.Name == model.MetricNameLabel {
			return
		}
		found.Series[name] = add(found.Series[name], label.Name)
		found.Labels[label.Name] = add(found.Labels[label.Name], label.Value)
	})
}

func add(list []string, word string) []string {
	if slices.Contains(list, word) {
		return list
	}
	return append(list, word)
}
