//! `focusflow import renzo`, through the gateway into storage, and what can then be asked.

use std::fmt::Write as _;

use serde_json::json;

use crate::harness::FocusFlow;

const HEADER: &str = "\"X.words\",\"word_cnt\",\"description\",\"DONE\",\"date\",\"estimate\",\"actual\"\n";

#[tokio::test]
async fn a_log_is_imported_once_and_its_broken_lines_are_named() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let mut csv = HEADER.to_owned();
    csv.push_str("\"@writing,@book\",\"1,1\",7,1,2012-05-01,2,3\n");
    csv.push_str("\"@writing\",\"1\",8,1,2012-05-01,2,2\n");
    csv.push_str("\"@writing\",\"1\",8,1,2012-05-01,2,2\n");
    csv.push_str("\"@writing\",\"1\",9,0,2012-13-01,2,2\n");
    csv.push_str("\"\",\"1\",10,0,2012-05-02,NA,NA\n");
    csv.push_str("\"@writing\",\"1\",11,1,2012-05-02,two,2\n");
    let file = focusflow.home().join("log.csv");
    std::fs::write(&file, csv).unwrap();

    let first = focusflow.import(&ada, &file).await;
    assert_eq!(first["rowsRead"], 6, "{first}");
    assert_eq!(first["rowsImported"], 4, "{first}");
    assert_eq!(first["rowsSkipped"], 2, "{first}");
    let lines: Vec<i64> = first["errors"].as_array().unwrap().iter().map(|row| row["line"].as_i64().unwrap()).collect();
    assert_eq!(lines, [5, 7]);
    assert!(first["errors"][0]["message"].as_str().unwrap().contains("date"), "{first}");
    assert!(first["errors"][1]["message"].as_str().unwrap().contains("estimate"), "{first}");

    let again = focusflow.import(&ada, &file).await;
    assert_eq!(again["rowsImported"], 0, "{again}");
    assert_eq!(again["rowsKnown"], 4, "{again}");

    let tasks = focusflow.get("/tasks?pageSize=100", &ada).await;
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 4);
    let days = focusflow.get("/timeLogs:summarize?groupBy=DAY", &ada).await;
    assert_eq!(days["totals"][0]["key"], "2012-05-01");
    assert_eq!(days["totals"][0]["minutes"], 175.0);
    let tags = focusflow.get("/timeLogs:summarize?groupBy=TAG", &ada).await;
    assert_eq!(tags["totals"][0]["key"], "writing");
    assert_eq!(tags["totals"][0]["minutes"], 175.0);
    assert_eq!(tags["totals"][1]["key"], "book");
    assert_eq!(tags["totals"][1]["minutes"], 75.0);
}

#[tokio::test]
async fn estimates_are_learned_from_the_imported_log() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let before =
        focusflow.post("/insights:estimateTask", &ada, json!({"tags": ["meeting"], "estimatedMinutes": 50})).await;
    assert_eq!(before["basis"], "NONE");
    assert_eq!(before["p50Minutes"], 50);

    // Whoever plans two pomodoros for a meeting needs four.
    let mut csv = HEADER.to_owned();
    for row in 0..200 {
        let (tag, actual) = if row % 2 == 0 { ("@meeting", 4) } else { ("@writing", 2) };
        writeln!(csv, "\"{tag}\",\"1\",{row},1,2012-05-{:02},2,{actual}", 1 + row / 8).unwrap();
    }
    let file = focusflow.home().join("log.csv");
    std::fs::write(&file, csv).unwrap();
    assert_eq!(focusflow.import(&ada, &file).await["rowsImported"], 200);

    let meeting =
        focusflow.post("/insights:estimateTask", &ada, json!({"tags": ["meeting"], "estimatedMinutes": 50})).await;
    let writing =
        focusflow.post("/insights:estimateTask", &ada, json!({"tags": ["writing"], "estimatedMinutes": 50})).await;
    assert_eq!(meeting["basis"], "CATEGORY", "{meeting}");
    let minutes = |answer: &serde_json::Value| answer["p50Minutes"].as_i64().unwrap();
    assert!((85..=100).contains(&minutes(&meeting)), "{meeting}");
    assert!((50..=62).contains(&minutes(&writing)), "{writing}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_to_its_end_is_an_error() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    // A directory opens like a file and fails with the first read.
    let output = focusflow.try_import(&ada, focusflow.home()).await;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("Is a directory"), "{error}");
}

#[tokio::test]
async fn a_file_without_a_row_that_can_be_read_is_an_error() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let file = focusflow.home().join("log.csv");
    std::fs::write(&file, format!("{HEADER}\"\",1,1,1,today,1,1\n")).unwrap();
    let output = focusflow.try_import(&ada, &file).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no row could be read"));
}
