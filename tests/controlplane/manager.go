package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
)

// What kube-controller-manager has by default.
const (
	qps             = 20
	burst           = 30
	resync          = 12 * time.Hour
	namespaceResync = 5 * time.Minute
	discoveryPeriod = 30 * time.Second
)

// controllers are kube-controller-manager's own, started as it starts them. With all of its forty there are 300 more
// packages to compile, volumes and clouds among them.
var controllers = map[string]func(context.Context, *shared) (run, error){
	"garbage-collector-controller":       garbageCollector,
	"namespace-controller":               namespaces,
	"serviceaccount-controller":          serviceAccounts,
	"clusterrole-aggregation-controller": clusterRoles,
}

// run works until the context ends.
type run func(context.Context)

// shared is what the controllers have in common.
type shared struct {
	config    *rest.Config
	informers informers.SharedInformerFactory
	metadata  metadatainformer.SharedInformerFactory
	started   chan struct{}
}

// newManagerCommand takes the arguments that the testbed gives to a kube-controller-manager.
func newManagerCommand() *cobra.Command {
	var kubeconfig string
	var named []string
	var elect bool
	var port int
	command := &cobra.Command{
		Use:  "kube-controller-manager",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if elect || port != 0 {
				return fmt.Errorf("this one neither elects a leader nor listens: --leader-elect=false --secure-port=0")
			}
			return manage(command.Context(), kubeconfig, named)
		},
	}
	flags := command.Flags()
	flags.StringVar(&kubeconfig, "kubeconfig", "", "what the API server is reached with")
	flags.StringSliceVar(&named, "controllers", nil, "the controllers to start")
	flags.BoolVar(&elect, "leader-elect", true, "false is the one that works")
	flags.IntVar(&port, "secure-port", 10257, "0 is the one that works")
	return command
}

func manage(ctx context.Context, kubeconfig string, named []string) error {
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.DisableCompression = true
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.QPS, config.Burst = qps, burst
	rest.AddUserAgent(config, "kube-controller-manager")
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	common := &shared{
		config:    config,
		informers: informers.NewSharedInformerFactoryWithOptions(clients, resync, informers.WithTransform(trim)),
		metadata: metadatainformer.NewSharedInformerFactoryWithOptions(metadataClient, resync,
			metadatainformer.WithTransform(trim)),
		started: make(chan struct{}),
	}
	var runs []run
	for _, name := range named {
		start, known := controllers[name]
		if !known {
			return fmt.Errorf("there is no controller %q in this program", name)
		}
		run, err := start(ctx, common)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		runs = append(runs, run)
	}
	common.informers.Start(ctx.Done())
	common.metadata.Start(ctx.Done())
	close(common.started)
	together(runs...)(ctx)
	return nil
}

// trim drops what no controller reads.
func trim(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}

func together(runs ...run) run {
	return func(ctx context.Context) {
		var all sync.WaitGroup
		for _, run := range runs {
			all.Go(func() { run(ctx) })
		}
		all.Wait()
	}
}

func garbageCollector(ctx context.Context, common *shared) (run, error) {
	config := rest.CopyConfig(common.config)
	config.QPS *= 2
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	// The collector asks by one client what there is, and maps by what another remembers.
	discoverer, err := discovery.NewDiscoveryClientForConfig(common.config)
	if err != nil {
		return nil, err
	}
	remembered, err := discovery.NewDiscoveryClientForConfig(common.config)
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(remembered))
	go wait.Until(mapper.Reset, discoveryPeriod, ctx.Done())
	collector, err := garbagecollector.NewGarbageCollector(ctx, clients, metadataClient, mapper, nil,
		informerfactory.NewInformerFactory(common.informers, common.metadata), common.started)
	if err != nil {
		return nil, err
	}
	return together(
		func(ctx context.Context) { collector.Run(ctx, 20, discoveryPeriod) },
		func(ctx context.Context) { collector.Sync(ctx, discoverer, discoveryPeriod) },
	), nil
}

func namespaces(ctx context.Context, common *shared) (run, error) {
	config := rest.CopyConfig(common.config)
	config.QPS *= 20
	config.Burst *= 100
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	controller := namespace.NewNamespaceController(ctx, clients, metadataClient,
		clients.Discovery().ServerPreferredNamespacedResources, common.informers.Core().V1().Namespaces(),
		namespaceResync, v1.FinalizerKubernetes)
	return func(ctx context.Context) { controller.Run(ctx, 10) }, nil
}

func serviceAccounts(ctx context.Context, common *shared) (run, error) {
	clients, err := kubernetes.NewForConfig(common.config)
	if err != nil {
		return nil, err
	}
	controller, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx),
		common.informers.Core().V1().ServiceAccounts(), common.informers.Core().V1().Namespaces(), clients,
		serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { controller.Run(ctx, 1) }, nil
}

func clusterRoles(_ context.Context, common *shared) (run, error) {
	clients, err := kubernetes.NewForConfig(common.config)
	if err != nil {
		return nil, err
	}
	controller := clusterroleaggregation.NewClusterRoleAggregation(common.informers.Rbac().V1().ClusterRoles(),
		clients.RbacV1())
	return func(ctx context.Context) { controller.Run(ctx, 5) }, nil
}
