// Calls the API ten times at once. One of the requests refreshes the tokens, and the others wait for it.

const button = document.querySelector("#call");
const output = document.querySelector("output");

if (button !== null) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    output.textContent = "Calling …";
    const answers = await Promise.all(Array.from({ length: 10 }, call));
    const good = answers.filter((answer) => answer !== undefined);
    const refreshes = Math.max(0, ...good.map((answer) => answer.refreshes));
    output.textContent = `${good.length} of 10 calls were answered. Since you signed in, the provider has seen ${refreshes} refresh${refreshes === 1 ? "" : "es"}.`;
    button.disabled = false;
  });
}

async function call() {
  const answer = await fetch("/orders");
  return answer.ok ? answer.json() : undefined;
}
