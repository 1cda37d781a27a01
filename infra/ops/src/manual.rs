//! Checks that the commands in the documents exist and can be run.

use std::{fs, path::Path, process::Command};

use clap::Parser;

use crate::Cli;

const DOCUMENTS: [&str; 7] = [
    "README.md",
    "docs/costs.md",
    "docs/importing.md",
    "docs/local-stack.md",
    "docs/operations.md",
    "docs/tour.md",
    "infra/cdk/README.md",
];

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The shell blocks of a document.
fn blocks(document: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in document.lines() {
        match (line.trim_start(), &mut block) {
            ("```sh", None) => block = Some(String::new()),
            ("```", Some(_)) => blocks.extend(block.take()),
            (line, Some(block)) => *block += &format!("{line}\n"),
            (_, None) => {}
        }
    }
    blocks
}

/// The commands of `ops` in a shell text, also with `cargo run`.
fn of_ops(text: &str) -> impl Iterator<Item = Vec<String>> {
    simple_commands(text).into_iter().filter_map(|words| {
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["ops", ..] => Some(words),
            ["cargo", "run", "-p", "ops", "--", arguments @ ..] => {
                Some(std::iter::once("ops").chain(arguments.iter().copied()).map(str::to_owned).collect())
            }
            _ => None,
        }
    })
}

/// A shell text as simple commands, each as its words. Expansions, `$NAME` and `$(…)`, stay unexpanded, as one word.
fn simple_commands(text: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), String::new());
    let (mut quote, mut depth, mut comment) = (None, 0_u32, false);
    let text = text.replace("\\\n", " ");
    for character in text.chars() {
        let plain = quote.is_none() && depth == 0;
        match character {
            '\n' if comment => comment = false,
            _ if comment => continue,
            '#' if plain && word.is_empty() => comment = true,
            '\'' | '"' if depth == 0 && quote.is_none_or(|open| open == character) => {
                quote = if quote.is_some() { None } else { Some(character) };
                continue;
            }
            '(' if word.ends_with('$') || depth > 0 => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ => {}
        }
        match character {
            ' ' | '\t' | '\n' | ';' | '|' | '&' | ')' | '{' | '}' if plain => {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
                if !matches!(character, ' ' | '\t') {
                    commands.extend(Some(std::mem::take(&mut words)).filter(|words| !words.is_empty()));
                }
            }
            _ if comment => {}
            _ => word.push(character),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    commands.extend(Some(words).filter(|words| !words.is_empty()));
    commands
}

#[test]
fn every_command_of_ops_in_a_block_can_be_copied() {
    let mut tried = 0;
    for name in DOCUMENTS {
        for words in blocks(&document(name)).iter().flat_map(|block| of_ops(block)) {
            tried += 1;
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{name}: {}\n{error}", words.join(" "));
            }
        }
    }
    assert!(tried > 8, "{tried}");
}

/// A text may name a command without the options that select the shop.
#[test]
fn every_command_of_ops_in_a_text_exists() {
    let mut tried = 0;
    for name in DOCUMENTS {
        let document = document(name);
        let spans = document.split("\n\n").flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2));
        for words in spans.filter(|span| span.starts_with("ops ")).flat_map(of_ops) {
            tried += 1;
            let of_shops = [
                &["--table", "t", "--bucket", "b"][..],
                &["--table", "t"],
                &["--dead-letters-bucket", "b"],
                &["--sample", "small"],
                &["--sample", "flash-sale"],
                &[],
            ];
            let parse =
                |shop: &&[&str]| Cli::try_parse_from(words.iter().map(String::as_str).chain(shop.iter().copied()));
            let help = |outcome: &Result<Cli, clap::Error>| {
                outcome.as_ref().is_err_and(|error| error.kind() == clap::error::ErrorKind::DisplayHelp)
            };
            let taken = of_shops.iter().map(parse).any(|outcome| outcome.is_ok() || help(&outcome));
            assert!(taken, "{name}: {}", words.join(" "));
        }
    }
    assert!(tried > 8, "{tried}");
}

#[test]
fn every_shell_block_is_valid_shell() {
    for name in DOCUMENTS {
        for block in blocks(&document(name)) {
            let checked = Command::new("bash").args(["-n", "-c", &block]).output().unwrap();

            assert!(checked.status.success(), "{name}: {}\n{block}", String::from_utf8_lossy(&checked.stderr));
        }
    }
}

/// After a restore the table has another name: a command with a default would repair the old table.
#[test]
fn on_aws_no_command_has_a_default_table() {
    for command in [
        "ops reconcile --repair --bucket b",
        "ops import catalogue.jsonl --bucket b",
        "ops admin grant ann@shop.example",
        "ops reconcile --table t",
    ] {
        assert!(Cli::try_parse_from(command.split(' ')).is_err(), "{command}");
    }

    for command in [
        "ops reconcile --table t --bucket b",
        "ops admin grant ann@shop.example --table t",
        "ops reconcile --endpoint http://127.0.0.1:8000 --s3-endpoint http://127.0.0.1:9090",
        "ops admin grant ann@shop.example --endpoint http://127.0.0.1:8000 --s3-endpoint http://127.0.0.1:9090",
    ] {
        assert!(Cli::try_parse_from(command.split(' ')).is_ok(), "{command}");
    }
}

#[test]
fn a_shell_text_is_parsed_as_a_shell_does() {
    let text = "STACK=a # set once\nops import 'a file' --table \"$(output TableName)\" \\\n  --stock 10; echo | cat\n";

    assert_eq!(
        simple_commands(text),
        [
            vec!["STACK=a"],
            vec!["ops", "import", "a file", "--table", "$(output TableName)", "--stock", "10"],
            vec!["echo"],
            vec!["cat"],
        ]
    );
}

/// Runs a text in bash, in a new folder.
fn bash(folder: &Path, text: &str) -> String {
    let ran = Command::new("bash").current_dir(folder).args(["-c", text]).output().unwrap();
    assert!(ran.status.success(), "{}\n{text}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// A line of the manual that begins like this, or the function with that name.
fn of_the_manual(beginning: &str) -> String {
    let manual = document("docs/operations.md");
    let from = &manual[manual.find(&format!("\n{beginning}")).expect(beginning) + 1..];
    let end = if beginning.ends_with("{\n") { "\n}\n" } else { "\n" };
    from[..from.find(end).unwrap() + end.len()].to_owned()
}

#[test]
fn every_later_build_is_for_the_processor_of_the_first_deployment() {
    let folder = tempfile::tempdir().unwrap();
    let text = of_the_manual("ARCHITECTURE=") + &of_the_manual("build() {") + "sam() { echo \"$@\"; }\nbuild\n";

    let before_the_first = bash(folder.path(), &text);
    let chosen = bash(folder.path(), &format!("{}ARCHITECTURE=x86_64\nbuild\n", text.trim_end_matches("build\n")));
    // In the form that `sam deploy --guided` writes.
    let saved =
        "[default.deploy.parameters]\nparameter_overrides = \"Architecture=\\\"x86_64\\\" TableName=\\\"\\\"\"\n";
    fs::write(folder.path().join("samconfig.toml"), saved).unwrap();
    let later = bash(folder.path(), &text);

    assert!(before_the_first.ends_with("--parameter-overrides Architecture=arm64\n"), "{before_the_first}");
    for built in [chosen, later] {
        assert!(built.ends_with("--parameter-overrides Architecture=x86_64\n"), "{built}");
    }
}

#[test]
fn a_bucket_is_emptied_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    // Two pages of versions, and S3's answer for an empty bucket.
    let aws = r#"aws() {
      case "$2" in
        list-object-versions)
          local seen; seen=$(cat pages 2>/dev/null || echo 0); echo $((seen + 1)) > pages
          if [ "$seen" -lt 2 ]; then echo '{"Objects": [{"Key": "k", "VersionId": "'"$seen"'"}]}'; else echo '{"Objects": []}'; fi;;
        delete-objects) echo "$@" >> deleted;;
      esac
    }
"#;

    bash(folder.path(), &(aws.to_owned() + &of_the_manual("empty() {\n") + "empty a-bucket\n"));

    let deleted = fs::read_to_string(folder.path().join("deleted")).unwrap();
    assert_eq!(deleted.lines().count(), 2, "{deleted}");
    assert!(deleted.contains(r#""VersionId": "0""#) && deleted.contains(r#""VersionId": "1""#), "{deleted}");
}

#[test]
fn the_previous_deployment_is_the_second_newest_tag() {
    let folder = tempfile::tempdir().unwrap();
    let tags = "20260101-120000 20260303-080000 20260202-235959";
    let before = document("docs/operations.md");
    let before = before.split("git switch --detach ").nth(1).unwrap().lines().next().unwrap();

    let text = format!(
        "git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a && for t in {tags}; do git tag deployed-$t; done; echo {before}"
    );

    assert_eq!(bash(folder.path(), &text), "deployed-20260202-235959\n");
}
