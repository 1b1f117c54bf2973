//! An operator that reaches the API server through a proxy.

use kube::Client;

use super::World;
use crate::harness::{api_proxy::ApiProxy, outcome::Outcome, process::OperatorProcess};

impl World {
    /// A proxy before the API server.
    pub async fn proxy(&self) -> Outcome<ApiProxy> {
        ApiProxy::start(&self.kubeconfig).await
    }

    /// Starts the operator as a process that knows the proxy only, and waits until it is ready.
    pub async fn start_operator_through(&self, proxy: &ApiProxy) -> Outcome {
        let kubeconfig = proxy.lead_through(&self.kubeconfig)?;
        let log = self.folder().join("operator.log");
        let started = OperatorProcess::start(&self.operator_args(), &[], &kubeconfig, &log).await?;
        *self.operator.lock().await = Some(started);
        Ok(())
    }

    /// A client with the operator's rights that knows the proxy only.
    pub async fn client_through(&self, proxy: &ApiProxy) -> Outcome<Client> {
        let kubeconfig = proxy.lead_through(&self.kubeconfig)?;
        Ok(self.bench.control_plane().client_for(&kubeconfig).await?)
    }
}
