// The alert rules, the dashboard and the runbook: they load, and name what is there.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Registry } from "prom-client";
import { prometheus } from "../../src/telemetry/prometheus.ts";
import { tempDir } from "../servers/process.ts";
import { setUp } from "../support/set-up.ts";

const docs = new URL("../../docs/", import.meta.url).pathname;
const rules = join(docs, "telemetry/alerts.yml");
const promtool = (args: string[], input?: string) => execFileSync("promtool", args, { encoding: "utf8", input });

async function metricNames(): Promise<Set<string>> {
  const register = new Registry();
  prometheus(setUp().sessions, { register, countEvery: "1m" });
  return new Set(register.getMetricsAsArray().map(({ name }) => name));
}

test("promtool accepts the rules", () => {
  assert.match(promtool(["check", "rules", rules]), /SUCCESS: 8 rules/);
});

test("promtool accepts the metrics", async () => {
  const made = setUp();
  const register = new Registry();
  prometheus(made.sessions, { register });
  await made.browser.request((session) => session.set("n", 1));
  assert.equal(promtool(["check", "metrics"], await register.metrics()).trim(), "");
});

test("the alerts fire when they should, and not before", () => {
  const file = join(tempDir("alerts"), "test.yml");
  writeFileSync(
    file,
    JSON.stringify({
      rule_files: [rules],
      evaluation_interval: "1m",
      tests: [
        {
          interval: "1m",
          input_series: [
            { series: 'coatcheck_store_up{instance="a"}', values: "1x10" },
            { series: 'coatcheck_store_up{instance="b"}', values: "1 1 0x8" },
            { series: "coatcheck_unreadable_total", values: "0 0 0 0 1x6" },
          ],
          alert_rule_test: [
            { eval_time: "1m", alertname: "CoatcheckStoreDown", exp_alerts: [] },
            {
              eval_time: "4m",
              alertname: "CoatcheckStoreDown",
              exp_alerts: [
                {
                  exp_labels: { severity: "page" },
                  exp_annotations: {
                    summary: "The session store is down for at least one server.",
                    description: "Requests with a session are answered 503.",
                    runbook: "docs/operating.md#the-store-is-down",
                  },
                },
              ],
            },
            { eval_time: "2m", alertname: "CoatcheckUnreadable", exp_alerts: [] },
          ],
        },
      ],
    }),
  );
  assert.match(promtool(["test", "rules", file]), /SUCCESS/);
});

test("rules and dashboard name metrics that there are", async () => {
  const names = await metricNames();
  const dashboard = readFileSync(join(docs, "telemetry/grafana.json"), "utf8");
  for (const text of [readFileSync(rules, "utf8"), dashboard]) {
    for (const [found] of text.matchAll(/coatcheck_\w+/g)) {
      assert.ok(names.has(found.replace(/_(bucket|count|sum)$/, "")), found);
    }
  }
  const { panels } = JSON.parse(dashboard) as { panels: { id: number; title: string; targets: { expr: string }[] }[] };
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const { title, targets } of panels) {
    for (const { expr } of targets) {
      // A rule of the same expression is a syntax check by Prometheus itself.
      const file = join(tempDir("dashboard"), "rule.yml");
      const plain = expr.replaceAll("$__rate_interval", "5m");
      writeFileSync(file, JSON.stringify({ groups: [{ name: "g", rules: [{ record: "r", expr: plain }] }] }));
      assert.match(promtool(["check", "rules", file]), /SUCCESS/, title);
    }
  }
});

test("each alert has its chapter in the runbook", () => {
  const headings = [...readFileSync(join(docs, "operating.md"), "utf8").matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\s-]/g, "")
      .replace(/\s+/g, "-"),
  );
  const anchors = [...readFileSync(rules, "utf8").matchAll(/runbook: docs\/operating\.md#(\S+)/g)].map(
    ([, anchor]) => anchor!,
  );
  assert.equal(anchors.length, 8);
  for (const anchor of anchors) assert.ok(headings.includes(anchor), anchor);
});
