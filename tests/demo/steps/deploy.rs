//! Step 2: what an administrator deploys, and what a tenant applies.

use std::fs;

use secrecy::ExposeSecret as _;

use crate::error::Error;
use crate::narrate::Narrator;
use crate::world::World;

/// The manifest as this tour applies it: the sample with a redirect URL on this machine.
pub(crate) const MANIFEST: &str = "bunqoauthclient.yaml";

pub(crate) async fn apply(world: &World, narrator: &Narrator) -> Result<(), Error> {
    narrator.step(2, "apply deploy/ and, in a tenant's namespace, the samples", "4 seconds");
    narrator.say("The administrator deploys (without a pod: this machine runs the operator as a process):");
    world.kubectl(narrator, &["apply", "-k", &world.repository("deploy/overlays/demo")]).await?;
    let definition = "crd/bunqoauthclients.bunq-operator.io";
    let established = ["wait", "--for=condition=Established", definition, "--timeout=60s"];
    world.kubectl(narrator, &established).await?;

    narrator.say("A tenant opts in and asks for an OAuth client:");
    world.kubectl(narrator, &["apply", "-f", &world.repository("deploy/samples/namespace.yaml")]).await?;
    apply_api_key(world, narrator).await?;
    world.kubectl(narrator, &["apply", "-f", &world.repository("deploy/samples/role-binding.yaml")]).await?;
    let manifest = write_manifest(world, &world.redirect.url("/callback"))?;
    narrator.command(format_args!("cat {MANIFEST}"));
    narrator.output(&read(&manifest)?);
    world.kubectl(narrator, &["apply", "-f", &manifest]).await?;
    Ok(())
}

/// By standard input: a key never stands on a command line, nor in an annotation.
async fn apply_api_key(world: &World, narrator: &Narrator) -> Result<(), Error> {
    let sample = read(&world.repository("deploy/samples/api-key.yaml"))?;
    let manifest = with_value(&sample, "api-key", world.bank.api_key().expose_secret());
    narrator.command("kubectl apply --server-side -f api-key.yaml");
    narrator.output(&world.plane.kubectl().apply_stdin(&manifest).await?);
    Ok(())
}

/// Writes the sample with this redirect URL; returns the file.
pub(crate) fn write_manifest(world: &World, redirect_url: &str) -> Result<String, Error> {
    let sample = read(&world.repository("deploy/samples/bunqoauthclient.yaml"))?;
    let manifest = with_value(&sample, "redirectUrl", redirect_url);
    let path = world.file(MANIFEST);
    fs::write(&path, manifest).map_err(Error::io(format!("write {}", path.display())))?;
    Ok(path.display().to_string())
}

fn read(path: &str) -> Result<String, Error> {
    fs::read_to_string(path).map_err(Error::io(format!("read {path}")))
}

/// The same YAML with another value on the line of `key`; comments and order stay.
fn with_value(yaml: &str, key: &str, value: &str) -> String {
    let mut text = String::new();
    for line in yaml.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let is_it = line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with(": "));
        let line = if is_it { &format!("{indent}{key}: {value}") } else { line };
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::with_value;

    #[test]
    fn one_value_changes_and_nothing_else() {
        let yaml = "# redirectUrl: x\nspec:\n  redirectUrl: https://a\n  redirectUrls: 1\n";
        let expected = "# redirectUrl: x\nspec:\n  redirectUrl: http://b\n  redirectUrls: 1\n";
        assert_eq!(with_value(yaml, "redirectUrl", "http://b"), expected);
    }
}
