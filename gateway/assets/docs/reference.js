// Renders /openapi.json and lets one try its operations. Text goes into the page as text, never as markup: what a
// contract's comments say cannot run here.

const VERBS = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];

const documentOf = async () => {
  const response = await fetch("/openapi.json");
  if (!response.ok) throw new Error(`/openapi.json answers ${response.status}`);
  return response.json();
};

/** An element with attributes and children; strings become text. */
const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
};

const nameOf = (reference) => reference.slice(reference.lastIndexOf("/") + 1);
const prose = (text) => text && element("p", { class: "prose" }, text);
const pretty = (value) => JSON.stringify(value, null, 2);

/** What a schema is, in a line: a type, its limits, a link where it is a component. */
const typeOf = (schema) => {
  if (schema.$ref) {
    const name = nameOf(schema.$ref);
    return [element("a", { href: `#schema-${name}` }, name.split(".").pop())];
  }
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items ?? {})];
  if (schema.type === "object" && schema.additionalProperties) {
    return ["map of ", ...typeOf(schema.additionalProperties)];
  }
  if (!schema.type && schema.anyOf) {
    return schema.anyOf.flatMap((option, place) => [...(place ? [" or "] : []), ...typeOf(option)]);
  }
  if (!schema.type && schema.enum) return [schema.enum.join(", ")];
  return [[schema.type ?? "anything", schema.format && `(${schema.format})`].filter(Boolean).join(" ")];
};

const LIMITS = ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "minLength", "maxLength", "minItems",
  "maxItems", "pattern"];
const limitsOf = (schema) => {
  const given = { ...schema, ...schema.anyOf?.find((option) => !("const" in option) && !option.$ref && !option.enum) };
  return LIMITS.filter((limit) => given[limit] !== undefined).map((limit) => `${limit} ${given[limit]}`).join(", ");
};

const fieldRow = (name, schema, isRequired, description) => element("tr", {},
  element("td", {},
    element("code", { class: schema.deprecated ? "deprecated" : undefined }, name),
    isRequired ? element("span", { class: "faint" }, " required") : ""),
  element("td", {},
    ...typeOf(schema), " ", element("span", { class: "faint" }, limitsOf(schema)),
    prose(description ?? schema.description) ?? ""));

const objectTable = (schema) => {
  const rows = Object.entries(schema.properties ?? {}).map(
    ([name, field]) => fieldRow(name, field, schema.required?.includes(name)));
  return rows.length ? element("table", {}, ...rows) : undefined;
};

const schemaDetails = (name, schema) => element("details", { id: `schema-${name}`, "data-words": name.toLowerCase() },
  element("summary", {}, element("code", {}, name)),
  element("div", {}, prose(schema.description) ?? "",
    objectTable(schema) ?? element("p", { class: "faint" }, schema.enum ? "" : "No fields.")));

const contentOf = (content) => Object.entries(content ?? {}).flatMap(([mediaType, { schema, ...rest }]) => {
  const shown = rest["x-itemSchema"] ?? schema;
  return [element("p", {}, element("code", {}, mediaType), " ", ...(shown ? typeOf(shown) : [])),
    shown?.properties ? objectTable(shown) : undefined].filter(Boolean);
});

const resolve = (api, value) => (value.$ref ? api.components.responses[nameOf(value.$ref)] : value);

const responseRows = (api, responses) => Object.entries(responses).map(([status, response]) => {
  const { description, content } = resolve(api, response);
  return element("tr", {}, element("td", {}, element("code", {}, status)),
    element("td", {}, description, ...contentOf(content)));
});

/** A form that sends the operation's request to this server and shows what comes back. */
const trial = (path, verb, operation) => {
  const inputs = (operation.parameters ?? []).map((parameter) => [parameter, element("input", {
    placeholder: parameter.schema.examples?.[0] ?? "", "aria-label": parameter.name, required: parameter.required,
  })]);
  const [mediaType, body] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const text = body && element("textarea", { "aria-label": "Body", spellcheck: "false" },
    body.example === undefined ? "" : pretty(body.example));
  const output = element("pre", { hidden: true });
  const send = async (event) => {
    event.preventDefault();
    output.hidden = false;
    output.textContent = "…";
    try {
      output.textContent = await exchange(path, verb, inputs, mediaType, text?.value);
    } catch (error) {
      output.textContent = String(error);
    }
  };
  return element("form", { onsubmit: send },
    ...inputs.map(([parameter, input]) => element("p", {}, element("label", {}, `${parameter.name} `, input))),
    text ?? "", element("p", {}, element("button", {}, "Send")), output);
};

const exchange = async (path, verb, inputs, mediaType, body) => {
  const query = new URLSearchParams();
  const headers = {};
  for (const [{ name, in: place, schema }, { value }] of inputs) {
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (place === "header") Object.assign(headers, value && { [name]: value });
    else if (value) (schema.type === "array" ? value.split(",") : [value]).forEach((one) => query.append(name, one));
  }
  const token = document.getElementById("token").value.trim();
  if (token) headers.authorization = `Bearer ${token}`;
  if (body && mediaType && mediaType !== "*/*") headers["content-type"] = mediaType;
  const url = query.size ? `${path}?${query}` : path;
  const begun = performance.now();
  // A stream that does not end by itself is shown as far as it came.
  const response = await fetch(url, { method: verb.toUpperCase(), headers, body: body || undefined });
  const received = await textOf(response);
  const elapsed = Math.round(performance.now() - begun);
  return `${verb.toUpperCase()} ${url}\n${response.status} ${response.statusText} after ${elapsed} ms\n\n${received}`;
};

const WAIT_MS_MAX = 5000;
const textOf = async (response) => {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const stop = setTimeout(() => reader?.cancel(), WAIT_MS_MAX);
  let text = "";
  for (let part = await reader?.read(); part && !part.done; part = await reader.read()) text += part.value;
  clearTimeout(stop);
  try {
    return pretty(JSON.parse(text));
  } catch {
    return text;
  }
};

const operationDetails = (api, path, verb, operation) => {
  const words = [path, verb, operation.operationId, operation.description].join(" ").toLowerCase();
  const details = element("details", { id: operation.operationId, "data-words": words },
    element("summary", {}, element("span", { class: "verb" }, verb), " ",
      element("span", { class: operation.deprecated ? "path deprecated" : "path" }, path), " ",
      element("span", { class: "faint" }, operation.summary ?? "")));
  // Filled when it is opened: a contract has thousands of fields.
  details.addEventListener("toggle", () => details.append(operationBody(api, path, verb, operation)), { once: true });
  return details;
};

const operationBody = (api, path, verb, operation) => {
  const scopes = (operation.security ?? []).flatMap((schemes) => Object.values(schemes).flat());
  const needs = operation.security?.length ? `Needs a token${scopes.length ? ` (${scopes.join(", ")})` : ""}.` : "Open to anyone.";
  const parameters = (operation.parameters ?? []).map(
    (it) => fieldRow(it.name, it.schema, it.required, it.description));
  return element("div", {}, prose(operation.description) ?? "", element("p", { class: "faint" }, needs),
    ...(parameters.length ? [element("h4", {}, "Parameters"), element("table", {}, ...parameters)] : []),
    ...(operation.requestBody ? [element("h4", {}, "Body"), ...contentOf(operation.requestBody.content)] : []),
    element("h4", {}, "Answers"), element("table", {}, ...responseRows(api, operation.responses)),
    ...(VERBS.includes(verb) ? [element("h4", {}, "Try it"), trial(path, verb, operation)] : []));
};

const operationsOf = (api) => Object.entries(api.paths).flatMap(([path, { "x-additionalOperations": others, ...item }]) =>
  Object.entries({ ...item, ...others }).map(([verb, operation]) => ({ path, verb, operation })));

const render = (api) => {
  const operations = operationsOf(api);
  const sections = api.tags.map(({ name, description }) => element("section", {},
    element("h2", { id: name }, name.split(".").pop()), prose(description) ?? "",
    ...operations.filter(({ operation }) => operation.tags.includes(name))
      .map(({ path, verb, operation }) => operationDetails(api, path, verb, operation))));
  const schemas = Object.entries(api.components.schemas).map(([name, schema]) => schemaDetails(name, schema));
  document.title = api.info.title;
  document.querySelector("h1").textContent = `${api.info.title} ${api.info.version}`;
  document.getElementById("contents").replaceChildren(
    ...api.tags.map(({ name }) => element("a", { href: `#${name}` }, name.split(".").pop())),
    element("a", { href: "#schemas" }, "Schemas"));
  document.getElementById("reference").replaceChildren(prose(api.info.description), ...sections,
    element("section", {}, element("h2", { id: "schemas" }, "Schemas"), ...schemas));
};

const filter = (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const details of document.querySelectorAll("details[data-words]")) {
    details.hidden = !words.every((word) => details.dataset.words.includes(word));
  }
};

/** Opens what the address names, such as a schema that a link leads to. */
const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
  target?.scrollIntoView();
};

try {
  render(await documentOf());
  open();
} catch (error) {
  document.getElementById("reference").textContent = `The document cannot be shown: ${error.message}`;
}
document.getElementById("filter").addEventListener("input", filter);
addEventListener("hashchange", open);
