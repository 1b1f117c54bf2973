package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

// Rules are evaluated this often, and the series have a value this often.
const step = time.Minute

// cases are stories told in series, and which alerts they cause.
type cases struct {
	// The series of an operator that is well, in every case unless it says otherwise.
	Well []series `yaml:"well"`
	// What differs, and what comes of it.
	Cases []story `yaml:"cases"`
}

// series has values in the notation of Prometheus' own tests: `0x10 1x5` is
// eleven zeros and six ones, `_` is a scrape without it.
type series struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

type story struct {
	Name   string   `yaml:"name"`
	Series []series `yaml:"series"`
	// Series of a well operator that are not there.
	Without []string `yaml:"without"`
	Expect  []moment `yaml:"expect"`
}

// moment says exactly which alerts fire then; an empty list: none.
type moment struct {
	At     model.Duration      `yaml:"at"`
	Firing []map[string]string `yaml:"firing"`
}

// heard is what came of all cases.
type heard struct {
	Cases int `json:"cases"`
	// In how many moments each alert fired, and in how many it did not.
	Fired  map[string]int `json:"fired"`
	Silent map[string]int `json:"silent"`
	// Where a case was wrong.
	Faults []string `json:"faults"`
}

// alerts plays every case with Prometheus' own engine of rules.
func alerts(ruleFile, caseFile string) (*heard, error) {
	text, err := os.ReadFile(caseFile)
	if err != nil {
		return nil, err
	}
	var all cases
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&all); err != nil {
		return nil, fmt.Errorf("%s: %w", caseFile, err)
	}
	result := &heard{Fired: map[string]int{}, Silent: map[string]int{}, Faults: []string{}}
	for _, story := range all.Cases {
		if err := result.play(story, all.Well, ruleFile); err != nil {
			return nil, fmt.Errorf("%s: %w", story.Name, err)
		}
		result.Cases++
	}
	return result, nil
}

func (result *heard) play(story story, well []series, ruleFile string) error {
	loader, err := promqltest.NewLazyLoader(loading(story, well), promqltest.LazyLoaderOpts{})
	if err != nil {
		return err
	}
	defer loader.Close()
	groups, err := load(loader, ruleFile)
	if err != nil {
		return err
	}
	now := time.Unix(0, 0).UTC()
	for _, moment := range story.Expect {
		end := time.Unix(0, 0).UTC().Add(time.Duration(moment.At))
		for ; !now.After(end); now = now.Add(step) {
			var failed error
			loader.WithSamplesTill(now, func(err error) {
				failed = errors.Join(err, evaluate(loader.Context(), groups, now))
			})
			if failed != nil {
				return failed
			}
		}
		result.compare(story.Name, moment, groups)
	}
	return nil
}

// loading is the series of a case in the language of Prometheus' tests.
func loading(story story, well []series) string {
	all := slices.Clone(story.Series)
	for _, usual := range well {
		isReplaced := slices.ContainsFunc(all, func(own series) bool { return own.Series == usual.Series })
		if !isReplaced && !slices.Contains(story.Without, usual.Series) {
			all = append(all, usual)
		}
	}
	text := fmt.Sprintf("load %s\n", model.Duration(step))
	for _, one := range all {
		text += fmt.Sprintf("  %s %s\n", one.Series, one.Values)
	}
	return text
}

func load(loader *promqltest.LazyLoader, file string) ([]*rules.Group, error) {
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:  rules.EngineQueryFunc(loader.QueryEngine(), loader.Storage()),
		Appendable: loader.Storage(),
		Context:    context.Background(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     promslog.NewNopLogger(),
	})
	byName, errs := manager.LoadGroups(step, noLabels, "", nil, false, file)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	groups := []*rules.Group{}
	for _, group := range byName {
		groups = append(groups, group)
		for _, rule := range alerting(group) {
			rule.SetRestored(true)
		}
	}
	return groups, nil
}

func evaluate(ctx context.Context, groups []*rules.Group, now time.Time) error {
	var failed error
	for _, group := range groups {
		group.Eval(ctx, now)
		for _, rule := range alerting(group) {
			failed = errors.Join(failed, rule.LastError())
		}
	}
	return failed
}

func alerting(group *rules.Group) []*rules.AlertingRule {
	found := []*rules.AlertingRule{}
	for _, rule := range group.Rules() {
		if alert, is := rule.(*rules.AlertingRule); is {
			found = append(found, alert)
		}
	}
	return found
}

func (result *heard) compare(name string, moment moment, groups []*rules.Group) {
	fault := func(format string, args ...any) {
		at := fmt.Sprintf("%s, at %s: ", name, moment.At)
		result.Faults = append(result.Faults, at+fmt.Sprintf(format, args...))
	}
	firing := []string{}
	for _, group := range groups {
		for _, rule := range alerting(group) {
			fires := false
			for _, alert := range rule.ActiveAlerts() {
				if alert.State != rules.StateFiring {
					continue
				}
				fires = true
				firing = append(firing, alert.Labels.String())
				if text := alert.Annotations.String(); strings.Contains(text, "error expanding template") {
					fault("%s says %s", rule.Name(), text)
				}
			}
			if fires {
				result.Fired[rule.Name()]++
			} else {
				result.Silent[rule.Name()]++
			}
		}
	}
	expected := []string{}
	for _, alert := range moment.Firing {
		expected = append(expected, sorted(alert))
	}
	slices.Sort(firing)
	slices.Sort(expected)
	if !slices.Equal(firing, expected) {
		fault("these fire: %v, and not: %v", firing, expected)
	}
}

var noLabels = labels.EmptyLabels()

// sorted writes labels as Prometheus does.
func sorted(alert map[string]string) string {
	return labels.FromMap(alert).String()
}
