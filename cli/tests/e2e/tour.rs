//! The README's tour, run as it stands.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::harness::BINARY;

#[test]
fn the_tour_of_the_readme_works_when_pasted() {
    take_the_tour(None);
}

#[test]
fn the_tour_works_on_postgresql_too() {
    let url = std::env::var("TEST_POSTGRES_URL").expect("run by `make test` or scripts/with-databases");
    take_the_tour(Some(&url));
}

/// A tour installs the folder's node_modules anew, so there is one at a time.
static TOUR: Mutex<()> = Mutex::new(());

/// The tour without the blocks that need grpcurl, which needs Go; `make conformance` runs those too.
fn take_the_tour(database_url: Option<&str>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    assert!(root.join("node_modules/.bin/buf").exists(), "run `npm ci` in the root folder first, as `make test` does");
    let _alone = TOUR.lock().unwrap_or_else(PoisonError::into_inner);
    let home = tempfile::tempdir().unwrap();
    let csv = home.path().join("log.csv");
    std::fs::write(&csv, a_log()).unwrap();

    let output = Command::new(root.join("scripts/tour"))
        .args(["--without", "grpcurl", "--csv", csv.to_str().unwrap()])
        .env("FOCUSFLOW", BINARY)
        .env("DATABASE_URL", database_url.unwrap_or_default())
        .output()
        .unwrap();
    let transcript = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{transcript}{}", String::from_utf8_lossy(&output.stderr));

    let expected = [
        r#""email":"ada@example.com""#,
        r#""title":"Write the report""#,
        r#""priority":"URGENT""#,
        r#""status":"COMPLETED""#,
        r#""title": "Call both banks""#,
        "60 rows read",
        r#""key":"meeting""#,
        r#""basis":"CATEGORY""#,
    ];
    for text in expected {
        assert!(transcript.contains(text), "the tour did not print {text}:\n{transcript}");
    }
    // The two mistakes that the tour shows, and no other.
    assert_eq!(transcript.matches(r#"{"code":"#).count(), 2, "{transcript}");
    assert!(transcript.contains("priorty"), "{transcript}");
}

fn a_log() -> String {
    let mut csv = "X.words,word_cnt,description,DONE,date,estimate,actual\n".to_owned();
    for row in 0..60 {
        writeln!(csv, "@meeting,1,{row},1,2012-05-{:02},2,3", 1 + row / 6).unwrap();
    }
    csv
}
