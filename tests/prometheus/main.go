// The judge of what the operator tells Prometheus, made of Prometheus' own
// packages: its parsers of scrapes, its parser of queries, its engine of rules.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

const usage = `usage: prometheus classic|openmetrics < a scrape
       prometheus names < a JSON list of queries
       prometheus manifest < one of the Prometheus operator, as JSON
       prometheus alerts RULES CASES`

func main() {
	verdict, err := judge(os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(verdict)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(args []string) (any, error) {
	switch {
	case len(args) == 1 && args[0] == "names":
		return names(os.Stdin)
	case len(args) == 1 && args[0] == "manifest":
		return manifest(os.Stdin)
	case len(args) == 1 && (args[0] == "classic" || args[0] == "openmetrics"):
		scrape, err := io.ReadAll(os.Stdin)
		if err != nil {
			return nil, err
		}
		if args[0] == "classic" {
			return classic(scrape)
		}
		return openmetrics(scrape)
	case len(args) == 3 && args[0] == "alerts":
		return alerts(args[1], args[2])
	}
	return nil, fmt.Errorf("%s", usage)
}
