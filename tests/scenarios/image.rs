//! The container image that `make image` built, run as a cluster would run it.

mod archive;
mod container;

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::Arc,
};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{Outcome, World, ensure, ensure_eq};

use crate::stage::{Stage, report, scenarios};

use archive::Image;
use container::Container;

/// Names the archive; `make image` sets it.
const ARCHIVE: &str = "IMAGE_ARCHIVE";
/// What a node stores of it, unpacked.
const LARGEST: u64 = 15_000_000;

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    if env::var_os(ARCHIVE).is_some() {
        return scenarios!(stage, "image": its_files_read_only_and_as_nobody_make_a_client_ready);
    }
    vec![stage.check("image", "it_is_run_by_make_image", || {
        report("NOT CHECKED: the image (make image builds it and runs it)");
        Ok(())
    })]
}

/// In-cluster settings, projected token, read-only root, uid 65532, no capability, no shell.
async fn its_files_read_only_and_as_nobody_make_a_client_ready(world: Arc<World>) -> Outcome {
    let archive = PathBuf::from(env::var_os(ARCHIVE).unwrap_or_default());
    let image = Image::read(&archive)?;
    ensure_eq(&image.config()["User"], &json!("65532:65532"), "the user")?;
    ensure_eq(&image.config()["Entrypoint"], &json!(["/bunq-oauth-operator"]), "the program")?;
    let folder = tempfile::tempdir()?;
    // Nobody must reach what is in it.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    let root = folder.path().join("rootfs");
    fs::create_dir_all(&root)?;
    let size = image.unpack(&root)?;
    ensure(size <= LARGEST, || format!("the image takes {size} bytes; {LARGEST} are the most"))?;
    report(&format!("image: {size} bytes unpacked, {} packed", fs::metadata(&archive)?.len()));

    let user = world.user().await?;
    let log = world.folder().join("operator.log");
    let container = Container::start(&world, &root, "/bunq-oauth-operator", &world.operator_args(), &log).await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    container.ensure_powerless()?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients at the bank")?;
    let published = world.secret("my-app").await?;
    ensure(published.contains_key("client_secret"), || "no credentials are published".to_owned())?;
    let ended = container.stop().await?;
    ensure(ended.success(), || format!("the operator was asked to end and said {ended}"))
}
