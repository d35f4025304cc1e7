//! Commands: what each prints for programs and for people, what it says when it fails, and the code that it ends with.
//! Those of `canopy rules` ask a running server.

mod explain;
mod history;
mod https;
mod life;
mod limits;
mod refusals;
mod usage;
mod verify;

use std::path::{Path, PathBuf};

use canopy_domain::entity::account::Model as Account;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::app::process::canopy;
use crate::app::served::{House, house};
use crate::app::within;

/// What a command came to.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    /// The JSON of a command that did what it should.
    #[track_caller]
    fn json(&self) -> Value {
        let line = self.words();
        assert_eq!(line.lines().count(), 1, "one line for a program: {line}");
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The words of a command that did what it should.
    #[track_caller]
    fn words(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:#?}");
        assert!(!self.out.contains('\u{1b}'), "no colours in a pipe: {self:#?}");
        self.out.trim_end()
    }

    /// What a command says that ends with this code and answers nothing.
    #[track_caller]
    fn failed(&self, code: i32) -> &str {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{self:#?}");
        assert!(!self.err.contains('\u{1b}'), "no colours in a pipe: {self:#?}");
        // Progress may stand before it.
        let said = self.err.find("canopy: ").unwrap_or(0);
        self.err[said..].trim_end()
    }
}

/// A seller and its client behind a server, and a folder for the files of the person at the keyboard.
struct Shop {
    house: House,
    client: Account,
    home: TempDir,
}

async fn shop() -> Shop {
    let house = house().await;
    let client = house.app.subaccount(&house.main, "Client").await;
    house.app.fund(&house.main, "100000").await;
    Shop {
        house,
        client,
        home: tempfile::tempdir().unwrap(),
    }
}

/// Runs `canopy rules` with words divided by spaces, as a shell does; `env` is its environment.
async fn rules(home: &Path, env: &[(&str, &str)], words: &str, more: &[&str]) -> Ran {
    let mut arguments = vec!["rules"];
    arguments.extend(words.split_whitespace());
    arguments.extend(more);
    let mut command = canopy(&arguments);
    command
        .current_dir(home)
        .env("HOME", home)
        .envs(env.iter().copied());
    ran(command).await
}

async fn ran(mut command: Command) -> Ran {
    let ran = within("the program to end", command.output())
        .await
        .expect("it can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    Ran {
        code: ran.status.code(),
        out: text(ran.stdout),
        err: text(ran.stderr),
    }
}

impl Shop {
    /// Runs `canopy rules` as the owner of the seller.
    async fn rules(&self, words: &str) -> Ran {
        self.rules_with(words, &[]).await
    }

    /// The same with arguments at the end that have spaces in them.
    async fn rules_with(&self, words: &str, more: &[&str]) -> Ran {
        let url = self.house.server.url("/graphql");
        let env = [
            ("CANOPY_URL", url.as_str()),
            ("CANOPY_TOKEN", self.house.owner.secret()),
        ];
        rules(self.home.path(), &env, words, more).await
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Uploads a component from a file, and answers the version.
    async fn uploaded(&self, name: &str, wasm: &[u8]) -> Value {
        self.file("rule.wasm", wasm);
        let main = &self.house.main.id;
        let upload = format!("upload --account {main} --kind pricing --name {name} --wasm rule.wasm");
        self.rules(&upload).await.json()
    }

    /// Makes a version of the built-in rule with a price per unit, and answers it.
    async fn priced(&self, price: &str, more: &str) -> Value {
        let configuration = format!(r#"{{"meters":{{"*":{{"unit_price":"{price}"}}}}}}"#);
        let main = &self.house.main.id;
        let upload =
            format!("upload --account {main} --kind pricing --name prices --builtin tiered-pricing {more}");
        let with = ["--configuration", &configuration];
        self.rules_with(&upload, &with).await.json()
    }
}

fn id(version: &Value) -> &str {
    version["id"].as_str().expect("a version has an id")
}
