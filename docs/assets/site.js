// What is wider than its place scrolls. The keyboard must reach it.
function reachable() {
  for (const box of document.querySelectorAll("pre > code, .md-typeset__scrollwrap, .formula")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
}
window.addEventListener("load", reachable);
window.addEventListener("resize", reachable);
