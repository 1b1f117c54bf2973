//! More than one cluster at one bank, more than one namespace in a cluster.

use std::sync::Arc;

use super::World;
use crate::harness::{deployment, outcome::Outcome};

impl World {
    /// Another cluster, whose operator talks to this world's bank. It shares nothing else: it has
    /// an operator's namespace, a tenant's namespace and rights of its own. Whoever asked for it
    /// ends it with [`World::finish`].
    pub async fn another_cluster(&self) -> Outcome<Arc<Self>> {
        Self::with_bank(Arc::clone(&self.bench), &self.name, self.sandbox.clone()).await
    }

    /// Opens one more tenant's namespace that grants the operator access; returns its name. The
    /// operator looks at it when it is started with `--watch-namespace` for it.
    pub async fn another_namespace(&self, suffix: &str) -> Outcome<String> {
        let namespace = format!("{}-{suffix}", self.namespace);
        deployment::apply(&self.admin(), &deployment::namespace(&namespace)).await?;
        let binding = deployment::tenant_binding(&namespace, &self.operator_namespace);
        deployment::apply(&self.admin(), &binding).await?;
        Ok(namespace)
    }
}
