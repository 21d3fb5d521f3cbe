package terminal

var WithoutArguments = withoutArguments
