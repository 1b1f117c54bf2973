//! Which control plane to use: one that is named, programs that are there, or one that is built.

use std::env;
use std::path::{Path, PathBuf};

use super::{Error, Progress, binary};

/// Where the control plane comes from.
pub(super) enum Source {
    /// A running cluster of the user's.
    Named {
        /// The kubeconfig that leads to it.
        kubeconfig: PathBuf,
        /// The context in it; absent: its current one.
        context: Option<String>,
        /// The kubectl to use.
        kubectl: PathBuf,
    },
    /// Programs to start.
    Programs {
        /// The folder that holds them.
        folder: PathBuf,
        /// Whether they end with their standard input, as those that are built here do.
        stop_at_eof: bool,
    },
}

/// Reads the environment and says what it decides. Blocks for minutes when there is something to build.
pub(super) fn resolve(progress: &Progress) -> Result<Source, Error> {
    if let Some(kubeconfig) = path_from("TESTBED_KUBECONFIG") {
        let context = env::var("TESTBED_CONTEXT").ok().filter(|name| !name.is_empty());
        progress.say(format!(
            "using the cluster in {} ({}), as TESTBED_KUBECONFIG says",
            kubeconfig.display(),
            context.as_deref().unwrap_or("its current context")
        ));
        let kubectl = match on_path("kubectl") {
            Some(kubectl) => kubectl,
            None => programs(progress)?.0.join("kubectl"),
        };
        return Ok(Source::Named { kubeconfig, context, kubectl });
    }
    let (folder, stop_at_eof) = programs(progress)?;
    Ok(Source::Programs { folder, stop_at_eof })
}

fn programs(progress: &Progress) -> Result<(PathBuf, bool), Error> {
    let Some(folder) = path_from("KUBEBUILDER_ASSETS") else {
        return Ok((binary::folder(progress)?, true));
    };
    for program in ["etcd", "kube-apiserver", "kubectl"] {
        if !folder.join(program).is_file() {
            return Err(Error::IncompleteAssets { folder, program });
        }
    }
    progress.say(format!("using the programs in {}, as KUBEBUILDER_ASSETS says", folder.display()));
    if !folder.join("kube-controller-manager").is_file() {
        progress.say(
            "it has no kube-controller-manager: nothing collects garbage, ends namespaces or fills aggregated roles",
        );
    }
    Ok((folder, false))
}

fn path_from(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder: PathBuf| folder.join(program)).find(|file: &PathBuf| Path::is_file(file))
}
