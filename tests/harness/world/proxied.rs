//! An operator that reaches the API server through a proxy.

use kube::Client;

use super::World;
use crate::harness::{api_proxy::ApiProxy, outcome::Outcome, process::OperatorProcess};

/// Requests that an API server lets share a connection.
const SHARING: u32 = 100;

impl World {
    /// A proxy before the API server, which speaks as it does.
    pub async fn proxy(&self) -> Outcome<ApiProxy> {
        ApiProxy::start(&self.kubeconfig, &["h2", "http/1.1"], SHARING).await
    }

    /// One that lets so many requests share a connection (`--http2-max-streams-per-connection`).
    pub async fn proxy_sharing(&self, requests: u32) -> Outcome<ApiProxy> {
        ApiProxy::start(&self.kubeconfig, &["h2", "http/1.1"], requests).await
    }

    /// One that speaks HTTP/1 only, as gateways may.
    pub async fn http1_proxy(&self) -> Outcome<ApiProxy> {
        ApiProxy::start(&self.kubeconfig, &["http/1.1"], SHARING).await
    }

    /// Starts the operator as a process that knows the proxy only, and waits until it is ready.
    pub async fn start_operator_through(&self, proxy: &ApiProxy) -> Outcome {
        self.start_operator_through_with(proxy, &[]).await
    }

    /// The same with more flags.
    pub async fn start_operator_through_with(&self, proxy: &ApiProxy, flags: &[&str]) -> Outcome {
        let kubeconfig = proxy.lead_through(&self.kubeconfig)?;
        let log = self.folder().join("operator.log");
        let args = [self.operator_args(), flags.iter().map(|flag| (*flag).to_owned()).collect()].concat();
        let started = OperatorProcess::start(&args, &[], &kubeconfig, &log).await?;
        *self.operator.lock().await = Some(started);
        Ok(())
    }

    /// A client with the operator's rights that knows the proxy only.
    pub async fn client_through(&self, proxy: &ApiProxy) -> Outcome<Client> {
        let kubeconfig = proxy.lead_through(&self.kubeconfig)?;
        Ok(self.bench.control_plane().client_for(&kubeconfig).await?)
    }
}
