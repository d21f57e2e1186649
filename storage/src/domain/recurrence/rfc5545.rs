//! The examples of RFC 5545, section 3.8.5.3, with the dates that it lists. Times of day are those of New York.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::{Mode, Recurrence, Rule, Start};
use crate::domain::day::DayRule;

/// Dates as the RFC lists them: `1997-09: 2-11, 15; 1997-10: 3`.
fn listed(text: &str) -> Vec<NaiveDate> {
    let mut dates = Vec::new();
    for month in text.split(';') {
        let (month, days) = month.trim().split_once(": ").unwrap();
        for days in days.split(", ") {
            let (first, last) = days.split_once('-').unwrap_or((days, days));
            let days = first.parse::<u32>().unwrap()..=last.parse().unwrap();
            dates.extend(days.map(|day| format!("{month}-{day:02}").parse::<NaiveDate>().unwrap()));
        }
    }
    dates
}

#[track_caller]
fn check_without(start: &str, rule: &str, exception: Option<&str>, expected: &str) {
    let zone = DayRule::new(chrono_tz::America::New_York, 0);
    let recurrence = Recurrence {
        rule: Rule::parse(rule).unwrap(),
        mode: Mode::Schedule,
        start: Start::parse(&format!("{start}T09:00:00")).unwrap(),
        exceptions: exception.iter().map(|date| date.parse().unwrap()).collect::<BTreeSet<_>>(),
    };
    recurrence.check(zone).unwrap();
    let (text, goes_on) = match expected.strip_suffix("; ...") {
        Some(text) => (text, true),
        None => (expected, false),
    };
    let expected = listed(text);
    let dates: Vec<_> = recurrence.dates(zone, recurrence.start.date).take(expected.len() + 1).collect();
    assert_eq!(dates[..expected.len()], expected, "{rule}");
    assert_eq!(dates.len() > expected.len(), goes_on, "{rule}");
}

#[track_caller]
fn check(start: &str, rule: &str, expected: &str) {
    check_without(start, rule, None, expected);
}

#[test]
fn daily() {
    check("1997-09-02", "FREQ=DAILY;COUNT=10", "1997-09: 2-11");
    let until = "1997-09: 2-30; 1997-10: 1-31; 1997-11: 1-30; 1997-12: 1-23";
    check("1997-09-02", "FREQ=DAILY;UNTIL=19971224T000000Z", until);
    let every_other = "1997-09: 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30; \
                       1997-10: 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30; \
                       1997-11: 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29; 1997-12: 1, 3; ...";
    check("1997-09-02", "FREQ=DAILY;INTERVAL=2", every_other);
    check("1997-09-02", "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09: 2, 12, 22; 1997-10: 2, 12");
    let januaries = "1998-01: 1-31; 1999-01: 1-31; 2000-01: 1-31";
    check("1998-01-01", "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", januaries);
    check("1998-01-01", "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", januaries);
}

#[test]
fn weekly() {
    check("1997-09-02", "FREQ=WEEKLY;COUNT=10", "1997-09: 2, 9, 16, 23, 30; 1997-10: 7, 14, 21, 28; 1997-11: 4");
    let until = "1997-09: 2, 9, 16, 23, 30; 1997-10: 7, 14, 21, 28; 1997-11: 4, 11, 18, 25; 1997-12: 2, 9, 16, 23";
    check("1997-09-02", "FREQ=WEEKLY;UNTIL=19971224T000000Z", until);
    let every_other = "1997-09: 2, 16, 30; 1997-10: 14, 28; 1997-11: 11, 25; 1997-12: 9, 23; 1998-01: 6, 20; \
                       1998-02: 3, 17; ...";
    check("1997-09-02", "FREQ=WEEKLY;INTERVAL=2;WKST=SU", every_other);
    let five_weeks = "1997-09: 2, 4, 9, 11, 16, 18, 23, 25, 30; 1997-10: 2";
    check("1997-09-02", "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", five_weeks);
    check("1997-09-02", "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", five_weeks);
    let until = "1997-09: 1, 3, 5, 15, 17, 19, 29; 1997-10: 1, 3, 13, 15, 17, 27, 29, 31; \
                 1997-11: 10, 12, 14, 24, 26, 28; 1997-12: 8, 10, 12, 22";
    check("1997-09-01", "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR", until);
    let eight = "1997-09: 2, 4, 16, 18, 30; 1997-10: 2, 14, 16";
    check("1997-09-02", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", eight);
}

#[test]
fn the_week_start_decides_which_weeks_are_skipped() {
    check("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08: 5, 10, 19, 24");
    check("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08: 5, 17, 19, 31");
}

#[test]
fn monthly_by_weekday() {
    let first_fridays = "1997-09: 5; 1997-10: 3; 1997-11: 7; 1997-12: 5; 1998-01: 2; 1998-02: 6; 1998-03: 6; \
                         1998-04: 3; 1998-05: 1; 1998-06: 5";
    check("1997-09-05", "FREQ=MONTHLY;COUNT=10;BYDAY=1FR", first_fridays);
    let until = "1997-09: 5; 1997-10: 3; 1997-11: 7; 1997-12: 5";
    check("1997-09-05", "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", until);
    let sundays = "1997-09: 7, 28; 1997-11: 2, 30; 1998-01: 4, 25; 1998-03: 1, 29; 1998-05: 3, 31";
    check("1997-09-07", "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU", sundays);
    let mondays = "1997-09: 22; 1997-10: 20; 1997-11: 17; 1997-12: 22; 1998-01: 19; 1998-02: 16";
    check("1997-09-22", "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", mondays);
    let tuesdays = "1997-09: 2, 9, 16, 23, 30; 1997-11: 4, 11, 18, 25; 1998-01: 6, 13, 20, 27; \
                    1998-03: 3, 10, 17, 24, 31; ...";
    check("1997-09-02", "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", tuesdays);
}

#[test]
fn monthly_by_day_of_the_month() {
    let third_to_last = "1997-09: 28; 1997-10: 29; 1997-11: 28; 1997-12: 29; 1998-01: 29; 1998-02: 26; ...";
    check("1997-09-28", "FREQ=MONTHLY;BYMONTHDAY=-3", third_to_last);
    let second_and_fifteenth = "1997-09: 2, 15; 1997-10: 2, 15; 1997-11: 2, 15; 1997-12: 2, 15; 1998-01: 2, 15";
    check("1997-09-02", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15", second_and_fifteenth);
    let first_and_last = "1997-09: 30; 1997-10: 1, 31; 1997-11: 1, 30; 1997-12: 1, 31; 1998-01: 1, 31; 1998-02: 1";
    check("1997-09-30", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1", first_and_last);
    let every_18_months = "1997-09: 10-15; 1999-03: 10-13";
    check("1997-09-10", "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15", every_18_months);
    check("2007-01-15", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007-01: 15, 30; 2007-02: 15; 2007-03: 15, 30");
}

#[test]
fn monthly_by_weekday_and_day_of_the_month() {
    let fridays = "1998-02: 13; 1998-03: 13; 1998-11: 13; 1999-08: 13; 2000-10: 13; ...";
    check_without("1997-09-02", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", Some("1997-09-02"), fridays);
    let saturdays = "1997-09: 13; 1997-10: 11; 1997-11: 8; 1997-12: 13; 1998-01: 10; 1998-02: 7; 1998-03: 7; \
                     1998-04: 11; 1998-05: 9; 1998-06: 13; ...";
    check("1997-09-13", "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", saturdays);
}

#[test]
fn monthly_by_position() {
    let third = "1997-09: 4; 1997-10: 7; 1997-11: 6";
    check("1997-09-04", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", third);
    let second_to_last = "1997-09: 29; 1997-10: 30; 1997-11: 27; 1997-12: 30; 1998-01: 29; 1998-02: 26; \
                          1998-03: 30; ...";
    check("1997-09-29", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", second_to_last);
}

#[test]
fn yearly_by_month_and_day_of_the_year() {
    let june_and_july = "1997-06: 10; 1997-07: 10; 1998-06: 10; 1998-07: 10; 1999-06: 10; 1999-07: 10; \
                         2000-06: 10; 2000-07: 10; 2001-06: 10; 2001-07: 10";
    check("1997-06-10", "FREQ=YEARLY;COUNT=10;BYMONTH=6,7", june_and_july);
    let every_other = "1997-03: 10; 1999-01: 10; 1999-02: 10; 1999-03: 10; 2001-01: 10; 2001-02: 10; 2001-03: 10; \
                       2003-01: 10; 2003-02: 10; 2003-03: 10";
    check("1997-03-10", "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3", every_other);
    let every_third = "1997-01: 1; 1997-04: 10; 1997-07: 19; 2000-01: 1; 2000-04: 9; 2000-07: 18; 2003-01: 1; \
                       2003-04: 10; 2003-07: 19; 2006-01: 1";
    check("1997-01-01", "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", every_third);
}

#[test]
fn yearly_by_weekday() {
    check("1997-05-19", "FREQ=YEARLY;BYDAY=20MO", "1997-05: 19; 1998-05: 18; 1999-05: 17; ...");
    check("1997-05-12", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05: 12; 1998-05: 11; 1999-05: 17; ...");
    let thursdays = "1997-03: 13, 20, 27; 1998-03: 5, 12, 19, 26; 1999-03: 4, 11, 18, 25; ...";
    check("1997-03-13", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH", thursdays);
    let summers = "1997-06: 5, 12, 19, 26; 1997-07: 3, 10, 17, 24, 31; 1997-08: 7, 14, 21, 28; \
                   1998-06: 4, 11, 18, 25; 1998-07: 2, 9, 16, 23, 30; 1998-08: 6, 13, 20, 27; \
                   1999-06: 3, 10, 17, 24; 1999-07: 1, 8, 15, 22, 29; 1999-08: 5, 12, 19, 26; ...";
    check("1997-06-05", "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8", summers);
    let elections = "1996-11: 5; 2000-11: 7; 2004-11: 2; ...";
    check("1996-11-05", "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", elections);
}
