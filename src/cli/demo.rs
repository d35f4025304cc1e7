//! `canopy demo`: makes the demo's tree, or finds it again, and serves it.

use std::io::{IsTerminal, Write, stdout};

use anyhow::Context;

use super::{arguments::DemoOptions, serve::stopped};
use crate::{
    config::{Sources, without_password},
    demo,
    house::{self, Pending, Tokens},
    serve::Server,
};

pub(super) async fn run(sources: Sources, options: DemoOptions) -> anyhow::Result<()> {
    let sources = options.listen.over(sources);
    let loaded = super::start(sources)?;
    // Removed when the demo ends.
    let folder = tempfile::Builder::new()
        .prefix("canopy-demo-")
        .tempdir()
        .context("making a directory")?;
    let own_database = !loaded.is_set("database.url");
    let own_secret = !loaded.is_set("auth.secret") && !loaded.is_set("auth.secret_file");
    let mut config = loaded.config;
    if own_database {
        config.database.url = format!("sqlite://{}?mode=rwc", folder.path().join("canopy.db").display());
    }
    if own_secret {
        config.auth.secret = house::random_secret();
        // Nothing that is kept under a secret of one run can be used by the next.
        config.rules.cache_dir = "none".to_owned();
    }
    let database = without_password(&config.database.url);
    // Waiting for the signals starts here, so that an interrupted seeding removes its directory too.
    let stop = stopped()?;
    tokio::pin!(stop);

    let prepare = async {
        let domain = house::open(&config, Pending::Apply, Tokens::Needed).await?;
        let story = story(&domain).await?;
        let server = Server::with(config.clone(), domain).await?;
        Ok::<_, anyhow::Error>((server, story))
    };
    let (server, story) = tokio::select! {
        prepared = prepare => prepared?,
        () = &mut stop => return Ok(()),
    };
    demo::write_files(folder.path(), &story).context("writing the files of the commands")?;
    let text = if options.json || !stdout().is_terminal() {
        demo::as_json(server.local_addr, &database, &story).to_string()
    } else {
        let program = std::env::current_exe().unwrap_or_else(|_| "canopy".into());
        demo::as_text(server.local_addr, &database, folder.path(), &program, &story)
    };
    {
        let mut out = stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()?;
    }
    let (told, telling) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async move {
        // An error means that the sender is gone: the demo ends as well.
        let _ = telling.await;
    }));
    tokio::pin!(serving);
    tokio::select! {
        served = &mut serving => served??,
        () = &mut stop => {
            drop(told);
            serving.await??;
        }
    }
    Ok(())
}

/// The tree of this database, made if it is not there.
async fn story(domain: &canopy_domain::Domain) -> anyhow::Result<demo::Story> {
    let progress = |step: &str| {
        // A closed standard error must not end the demo.
        let _ = writeln!(std::io::stderr(), "demo: {step}");
    };
    if demo::find_platform(domain).await?.is_none() {
        demo::seed(domain, &progress).await?;
    } else {
        progress("found the tree of an earlier demo");
    }
    let platform = demo::find_platform(domain)
        .await?
        .context("the demo's platform is not there after seeding")?;
    progress("making tokens");
    demo::tell(domain, &platform).await
}
