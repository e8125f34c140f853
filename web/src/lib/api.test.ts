import { expect, test } from "vitest";
import { apiError, parseLink } from "./api";

const TOKEN = "n1PyBSw22h2PT_sjhwY2FQ";

test("a link says its page, lesson and token", () => {
  expect(parseLink("/class/MJaBvdVv5iMN", `#${TOKEN}`)).toEqual({ kind: "class", lesson: "MJaBvdVv5iMN", token: TOKEN });
  expect(parseLink("/base/teach/a_b-c/", `#${TOKEN}`)?.kind).toBe("teach");
});

test.each([
  ["/class/abc", ""],
  ["/class/abc", "#short"],
  ["/class/", `#${TOKEN}`],
  ["/class/a b", `#${TOKEN}`],
  ["/other/abc", `#${TOKEN}`],
  ["/class/abc", `#${TOKEN}<script>`],
])("%s%s is no link", (path, hash) => {
  expect(parseLink(path, hash)).toBeNull();
});

test("an error of the API keeps its code, a proxy's page becomes its status", async () => {
  const ours = await apiError(new Response('{"error":{"code":"not_called","message":"m"}}', { status: 403 }));
  expect([ours.status, ours.code]).toEqual([403, "not_called"]);
  const theirs = await apiError(new Response("<html>Bad gateway</html>", { status: 502 }));
  expect([theirs.status, theirs.code]).toEqual([502, "http_502"]);
});
