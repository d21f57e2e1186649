//! What a mail says, as text and as HTML.

use std::fmt::Write as _;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use uuid::Uuid;

use super::SendError;
use super::letter::Letter;

/// One mail to one person.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    /// What its Message-ID is made of.
    pub(crate) id: Uuid,
    /// Whom it is to.
    pub(crate) to: String,
    /// When it is sent.
    pub(crate) time: DateTime<Utc>,
    /// What it tells of.
    pub(crate) content: Content,
}

/// What a mail tells of.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Notifications; at least one.
    Notifications(Vec<Item>),
    /// The account, whatever the person's settings say of notifications.
    Account(Letter),
}

/// A notification, as mail tells of it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// One line.
    pub(crate) title: String,
    /// More than that, or nothing.
    pub(crate) body: String,
}

/// Puts a mail together. It is refused if no mail can be addressed so.
pub(super) fn build(mail: &Mail, from: &Mailbox, link: Option<&str>) -> Result<Message, SendError> {
    // lettre's error would repeat the address.
    let to = mail.to.parse().map_err(|_| SendError::Refused("the address is not one of mail".to_owned()))?;
    let builder = Message::builder()
        .message_id(Some(message_id(mail.id, from)))
        .date(SystemTime::from(mail.time))
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .raw_header(header("Auto-Submitted", "auto-generated".to_owned()));
    let message = match &mail.content {
        Content::Notifications(items) => builder
            .subject(subject(items))
            .raw_header(header("List-Unsubscribe", unsubscribe(from, link)))
            .multipart(MultiPart::alternative_plain_html(plain(items, link), html(items, link)))?,
        Content::Account(letter) => builder
            .subject(letter.subject())
            .multipart(MultiPart::alternative_plain_html(letter.plain(link), letter.html(link)))?,
    };
    Ok(message)
}

/// The same for every attempt at the same mail.
fn message_id(id: Uuid, from: &Mailbox) -> String {
    format!("<{id}@{}>", from.email.domain())
}

fn subject(items: &[Item]) -> String {
    match items {
        [item] => item.title.clone(),
        items => format!("{} notifications", items.len()),
    }
}

/// RFC 2369: by mail, which needs no page, and where people find the switch.
fn unsubscribe(from: &Mailbox, link: Option<&str>) -> String {
    let by_mail = format!("<mailto:{}?subject=unsubscribe>", from.email);
    match link {
        Some(link) => format!("{by_mail}, <{link}/settings/notifications>"),
        None => by_mail,
    }
}

fn header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

fn plain(items: &[Item], link: Option<&str>) -> String {
    let mut text = String::new();
    for Item { title, body } in items {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{title}");
        if !body.is_empty() {
            let _ = writeln!(text, "{body}");
        }
        let _ = writeln!(text);
    }
    let _ = write!(text, "-- \nFocusFlow. You get this mail because your notification settings say so.");
    if let Some(link) = link {
        let _ = write!(text, "\n{link}");
    }
    text
}

fn html(items: &[Item], link: Option<&str>) -> String {
    let mut text = String::from("<!DOCTYPE html><html><body>");
    for Item { title, body } in items {
        let _ = write!(text, "<h3>{}</h3>", escaped(title));
        if !body.is_empty() {
            let _ = write!(text, "<p>{}</p>", escaped(body).replace('\n', "<br>"));
        }
    }
    text.push_str("<hr><p>FocusFlow. You get this mail because your notification settings say so.");
    if let Some(link) = link.map(escaped) {
        let _ = write!(text, " <a href=\"{link}\">{link}</a>");
    }
    text.push_str("</p></body></html>");
    text
}

pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(items: &[(&str, &str)]) -> Mail {
        let items = items.iter().map(|(title, body)| Item { title: (*title).into(), body: (*body).into() });
        Mail {
            id: Uuid::from_u128(7),
            to: "ada@example.org".into(),
            time: DateTime::UNIX_EPOCH,
            content: Content::Notifications(items.collect()),
        }
    }

    fn built(mail: &Mail, link: Option<&str>) -> String {
        let message = build(mail, &"FocusFlow <focusflow@example.com>".parse().unwrap(), link).unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    #[test]
    fn every_attempt_at_a_mail_has_its_message_id() {
        let mail = mail(&[("Call Bob", "")]);
        let later = Mail { time: mail.time + chrono::TimeDelta::hours(1), ..mail.clone() };
        for attempt in [built(&mail, None), built(&later, None)] {
            let id = "Message-ID: <00000000-0000-0000-0000-000000000007@example.com>";
            assert!(attempt.contains(id), "{attempt}");
        }
    }

    #[test]
    fn a_mail_says_how_to_end_it_and_that_nobody_typed_it() {
        let text = built(&mail(&[("Call Bob", "")]), Some("https://app.example.com")).replace("\r\n ", " ");
        assert!(text.contains("Auto-Submitted: auto-generated"), "{text}");
        let unsubscribe = "List-Unsubscribe: <mailto:focusflow@example.com?subject=unsubscribe>, \
                           <https://app.example.com/settings/notifications>";
        assert!(text.contains(unsubscribe), "{text}");
    }

    #[test]
    fn what_people_wrote_is_text_in_html() {
        let items = [Item { title: "<script>&\"'".into(), body: "a\n<b>".into() }];
        let html = html(&items, None);
        assert!(html.contains("<h3>&lt;script&gt;&amp;&quot;&#39;</h3><p>a<br>&lt;b&gt;</p>"), "{html}");
        assert!(plain(&items, None).starts_with("<script>&\"'\na\n<b>\n"));
    }

    #[test]
    fn one_notification_is_the_subject_and_several_are_counted() {
        assert!(built(&mail(&[("Call Bob", "")]), None).contains("Subject: Call Bob\r\n"));
        assert!(built(&mail(&[("Call Bob", ""), ("Read", "")]), None).contains("Subject: 2 notifications\r\n"));
    }

    #[test]
    fn an_address_that_mail_cannot_have_is_refused_without_repeating_it() {
        let mail = Mail { to: "a b@example.org".into(), ..mail(&[("Call Bob", "")]) };
        let error = build(&mail, &"a@example.com".parse().unwrap(), None).unwrap_err();
        assert!(matches!(&error, SendError::Refused(_)) && !error.to_string().contains("a b"), "{error}");
    }
}
