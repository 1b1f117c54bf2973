//! A process in a root filesystem of its own, read-only and without rights, with what a kubelet gives a pod.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value;
use testbed::harness::{Outcome, World, bench::Bench, deployment::SERVICE_ACCOUNT, ensure, ensure_eq};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

const NOBODY: u32 = 65_532;
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const ENDED_WITHIN: Duration = Duration::from_secs(10);

/// A running container; it ends with this program.
pub(super) struct Container {
    child: Child,
    /// What bubblewrap says of the process inside.
    told: PathBuf,
}

impl Container {
    /// Runs `program` with the root filesystem at `root`; what it logs goes to `log`.
    pub(super) async fn start(world: &World, root: &Path, program: &str, args: &[String], log: &Path) -> Outcome<Self> {
        let account = root.with_file_name("account");
        write_account(world, &account).await?;
        // A runtime makes the places for its mounts.
        for place in ["proc", "dev", ACCOUNT.trim_start_matches('/')] {
            fs::create_dir_all(root.join(place))?;
        }
        let told = root.with_file_name("told");
        let server = world.bench.control_plane().server_url();
        let (host, port) = server.trim_start_matches("https://").split_once(':').ok_or("the API server has no port")?;
        let nobody = NOBODY.to_string();

        let mut command = Command::new("bwrap");
        command.arg("--ro-bind").arg(root).arg("/");
        command.arg("--ro-bind").arg(&account).arg(ACCOUNT);
        command.args(["--proc", "/proc", "--dev", "/dev", "--chdir", "/", "--info-fd", "1"]);
        command.args([
            "--unshare-user",
            "--unshare-pid",
            "--as-pid-1",
            "--unshare-ipc",
            "--unshare-uts",
            "--uid",
            &nobody,
        ]);
        command.args(["--gid", &nobody, "--cap-drop", "ALL", "--new-session", "--die-with-parent", "--clearenv"]);
        for (name, value) in [
            ("KUBERNETES_SERVICE_HOST", host),
            ("KUBERNETES_SERVICE_PORT", port),
            ("POD_NAMESPACE", &world.operator_namespace),
        ] {
            command.args(["--setenv", name, value]);
        }
        command.arg("--").arg(program).args(args);
        if geteuid().is_root() {
            // Then it is that user outside of its namespace, too, and not root with another number.
            command.uid(NOBODY).gid(NOBODY);
        }
        let log = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&told)?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("start bwrap: {error} (make image installs bubblewrap)"))?;
        Ok(Self { child, told })
    }

    /// Fails unless the process inside is nobody, without capabilities, and cannot gain any.
    pub(super) fn ensure_powerless(&self) -> Outcome {
        let inside = self.inside()?.as_raw_nonzero();
        let status = fs::read_to_string(format!("/proc/{inside}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(|value| value.split_whitespace().next().unwrap_or_default().to_owned()).unwrap_or_default()
        };
        if geteuid().is_root() {
            ensure_eq(field("Uid"), NOBODY.to_string(), "the user of the process")?;
        }
        ensure_eq(field("CapEff"), "0000000000000000", "its capabilities")?;
        ensure_eq(field("NoNewPrivs"), "1", "whether it can gain none")
    }

    /// Asks it to end, as a kubelet would.
    pub(super) async fn stop(mut self) -> Outcome<ExitStatus> {
        kill_process(self.inside()?, Signal::TERM)?;
        let ended = timeout(ENDED_WITHIN, self.child.wait()).await;
        Ok(ended.map_err(|_| format!("the container did not end within {ENDED_WITHIN:?}"))??)
    }

    /// The program, which is number one inside, by its number outside.
    fn inside(&self) -> Outcome<Pid> {
        let told: Value = serde_json::from_slice(&fs::read(&self.told)?)?;
        let program = told["child-pid"].as_i64().ok_or("bubblewrap did not tell its child")?;
        Ok(Pid::from_raw(program.try_into()?).ok_or("a process without a number")?)
    }
}

/// The projected volume of the Deployment: token, authority, namespace.
async fn write_account(world: &World, folder: &Path) -> Outcome {
    fs::create_dir_all(folder)?;
    let bench: &Bench = &world.bench;
    let plane = bench.control_plane();
    let kubeconfig = plane.service_account_kubeconfig(&world.operator_namespace, SERVICE_ACCOUNT).await?;
    let kubeconfig: Value = serde_yaml_ng::from_str(&fs::read_to_string(kubeconfig)?)?;
    let token = kubeconfig["users"][0]["user"]["token"].as_str().ok_or("the operator has no token")?;
    bench.plant(token);
    let authority = fs::read(plane.ca_file())?;
    ensure(!authority.is_empty(), || "the API server's authority is not known".to_owned())?;
    for (name, bytes) in
        [("token", token.as_bytes()), ("ca.crt", &authority), ("namespace", world.operator_namespace.as_bytes())]
    {
        fs::write(folder.join(name), bytes)?;
        fs::set_permissions(folder.join(name), Permissions::from_mode(0o444))?;
    }
    Ok(())
}
