// Requests to the explorer's own server, which is the only one that the page may reach.

async function answered(response) {
  const text = await response.text();
  const isJson = (response.headers.get("content-type") ?? "").startsWith("application/json");
  const data = isJson ? JSON.parse(text) : { error: { message: text || response.statusText } };
  if (!response.ok) throw new Error(data.error.message);
  return data;
}

export async function get(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== "" && each !== null && each !== undefined) query.append(name, each);
    }
  }
  return answered(await fetch(`${path}?${query}`));
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return answered(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}
