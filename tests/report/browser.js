// Opens a page in headless Chromium and prints what a browser made of it, as JSON.
// usage: node browser.js PAGE [SCREENSHOTS-DIRECTORY]
"use strict";
const fs = require("fs");
const path = require("path");
const { chromium } = require(path.join(__dirname, "../npm/node_modules/playwright-core"));
const axe = fs.readFileSync(path.join(__dirname, "../npm/node_modules/axe-core/axe.min.js"), "utf8");

async function main() {
  const [page_path, shots] = process.argv.slice(2);
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  const found = { console: [], requests: [], dialogs: [], runs: [] };
  for (const [name, width, scheme] of [["wide-light", 1280, "light"], ["wide-dark", 1280, "dark"],
    ["narrow-light", 400, "light"], ["narrow-dark", 400, "dark"]]) {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
    const page = await context.newPage();
    page.on("console", (message) => found.console.push(message.text()));
    page.on("pageerror", (error) => found.console.push(String(error)));
    page.on("request", (request) => found.requests.push(request.url()));
    page.on("dialog", (dialog) => { found.dialogs.push(dialog.message()); dialog.dismiss(); });
    await page.goto("file://" + path.resolve(page_path));
    const run = { name };
    run.title = await page.title();
    run.sections = await page.$$eval("main > section", (all) => all.map((one) => one.id));
    run.scripts = await page.$$eval("script, [onerror], [onload], iframe, object, embed", (all) => all.length);
    run.images = await page.$$eval("img", (all) => all.length);
    run.overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    run.text = name === "wide-light" ? await page.innerText("body") : "";
    if (shots) await page.screenshot({ path: path.join(shots, name + ".png"), fullPage: true });
    found.runs.push(run);
    if (shots && name === "wide-light") {
      await page.emulateMedia({ media: "print" });
      await page.pdf({ path: path.join(shots, "print.pdf"), preferCSSPageSize: true });
    }
    await context.close();
    // Each width and each scheme once: axe takes most of the time.
    if (name !== "wide-light" && name !== "narrow-dark") continue;
    // The page's own policy forbids scripts, so axe runs in the debugger's world, past it.
    const bare = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, bypassCSP: true });
    const probe = await bare.newPage();
    await probe.goto("file://" + path.resolve(page_path));
    await probe.evaluate(axe);
    const result = await probe.evaluate(() => window.axe.run());
    run.violations = result.violations.map((one) => ({ id: one.id, impact: one.impact, nodes: one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200) + " | " + node.failureSummary) }));
    run.passes = result.passes.length;
    await bare.close();
  }
  await browser.close();
  console.log(JSON.stringify(found));
}

main().catch((error) => { console.error(error); process.exit(1); });
