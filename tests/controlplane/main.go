// Kube is a whole Kubernetes control plane in one program: etcd,
// kube-apiserver and kubectl, the real ones, and of kube-controller-manager
// the controllers that are started here.
//
// The name it is called by chooses the part, or else its first argument:
//
//	kube kubectl get namespaces
//	ln -s kube kubectl && ./kubectl get namespaces
//
// A server that finds KUBE_STOP_AT_EOF in its environment ends when its
// standard input does, so that none of them outlives the program that
// started it, however that one ended. One byte on standard input releases it:
// from then on it stays until it is told to end.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// parts are the programs inside this one; each reads os.Args.
var parts = map[string]func(){
	"etcd":                    func() { etcdmain.Main(os.Args) },
	"kube-apiserver":          func() { execute(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() { execute(newManagerCommand()) },
	"kubectl":                 func() { execute(kubectl.NewDefaultKubectlCommand()) },
}

func main() {
	name := filepath.Base(os.Args[0])
	if _, known := parts[name]; !known && len(os.Args) > 1 {
		os.Args = os.Args[1:]
		name = os.Args[0]
	}
	part, known := parts[name]
	if !known {
		fmt.Fprintln(os.Stderr, "usage: kube etcd|kube-apiserver|kube-controller-manager|kubectl [arguments]")
		os.Exit(2)
	}
	if _, wanted := os.LookupEnv("KUBE_STOP_AT_EOF"); wanted {
		go stopAtEOF()
	}
	part()
}

func execute(command *cobra.Command) {
	os.Exit(cli.Run(command))
}

// stopAtEOF ends the process at once when nobody is left to see a clean end.
func stopAtEOF() {
	if n, _ := os.Stdin.Read(make([]byte, 1)); n == 0 {
		os.Exit(0)
	}
}
