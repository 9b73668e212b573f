/**
 * The table of wrong inputs: what a user could write, and the place, message
 * and hint that must come back. Data only; each file of rows names its runner.
 */
export interface WrongInput<Input = string> {
	readonly title: string;
	readonly input: Input;
	readonly expect: {
		/** line:column in a text, JSON pointer in a request, option of a command. */
		readonly place: string;
		readonly message: string;
		readonly hint: string;
	};
}

/** Pieces that rows about YAML are put together from. */
export const TENANT =
	"kind: Tenant\nname: blue\nspec:\n  subnets: [10.0.1.0/24]\n";

export const EDGE1 = `---
kind: Node
name: edge1
spec:
  underlay: 192.0.2.1
  interfaces:
    - { name: ap, role: access, tenant: blue }
    - { name: up, role: underlay }
`;

export const FIREWALL = `---
kind: Function
name: firewall
spec:
  attach: routed
  runtime: process
  instances:
    - { name: fw-1, node: edge1 }
`;

export const policy = (rule: string, more = ""): string =>
	`kind: Policy\nname: web\nspec:\n  rule: ${rule}\n${more}`;
export const fn = (spec: string): string =>
	`kind: Function\nname: firewall\nspec:\n${spec}`;
export const node = (spec: string): string =>
	`kind: Node\nname: edge1\nspec:\n${spec}`;
